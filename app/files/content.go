package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// fileContent is a file, or parts of one with text between them.
type fileContent struct {
	from  io.ReaderAt
	file  *os.File // the same, to be closed; nil: from is memory
	parts []filePart
	size  int64
	at    int   // the part that is being read
	done  int64 // what of that part was read, prefix included
}

// filePart is text, then a span of the file.
type filePart struct {
	prefix string
	span   span
}

func (p *filePart) size() int64 { return int64(len(p.prefix)) + p.span.length }

func (c *fileContent) add(prefix string, s span) {
	c.parts = append(c.parts, filePart{prefix, s})
	c.size += int64(len(prefix)) + s.length
}

// multipart makes several spans one content (RFC 9110 section 14.6) and returns
// its content type.
func (c *fileContent) multipart(spans []span, kind string, size int64) string {
	boundary := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
	for i, s := range spans {
		lead := "\r\n"
		if i == 0 {
			lead = ""
		}
		c.add(fmt.Sprintf("%s--%s\r\nContent-Range: %s\r\nContent-Type: %s\r\n\r\n",
			lead, boundary, s.contentRange(size), kind), s)
	}
	c.add("\r\n--"+boundary+"--\r\n", span{})
	return "multipart/byteranges; boundary=" + boundary
}

// fileChunk is what is read at once, in bytes. What fits leaves as one piece with
// the head; a larger content holds one such buffer while it is sent.
const fileChunk = 64 << 10

// content makes the response's content. On the pool; small contents are read right
// away.
func (c *fileContent) content(r *app.Request) (app.Content, error) {
	if r.Method == "HEAD" {
		c.closeFile()
		return &app.Stream{Size: c.size}, nil
	}
	if c.size > fileChunk {
		return &app.Stream{Size: c.size, Produce: c.produce, OnClose: func() { c.close(r) }}, nil
	}
	defer c.closeFile()
	b := make([]byte, c.size)
	n, err := c.read(b)
	if err == nil && n < len(b) {
		err = io.ErrUnexpectedEOF
	}
	return app.Bytes(b), err
}

// close closes the file on the pool: on some file systems that blocks too.
func (c *fileContent) close(r *app.Request) {
	if r.Pool().Submit(c.closeFile) != nil {
		c.closeFile()
	}
}

func (c *fileContent) closeFile() {
	if c.file != nil {
		c.file.Close()
	}
}

// produce writes the content, chunk by chunk.
func (c *fileContent) produce(w *app.Writer) app.Future[app.Done] {
	buf := make([]byte, fileChunk)
	fill := func(context.Context) (int, error) { return c.read(buf) }
	send := func(n int) app.Future[bool] {
		if n == 0 {
			return app.Ready(false)
		}
		return app.Map(w.Write(buf[:n]), func(int) (bool, error) { return true, nil })
	}
	return app.While(func() app.Future[bool] { return app.Then(patiently(w.Request(), fill), send) })
}

// poolRetry is how long a response that has begun waits for a place in a pool
// that is full.
const poolRetry = 20 * time.Millisecond

// patiently is Offload for a response that has begun: it is too late to say 503.
func patiently[T any](r *app.Request, work func(context.Context) (T, error)) app.Future[T] {
	f := app.Offload(r, work)
	if !refusedByPool(f) {
		return f
	}
	again := func(app.Done) (bool, error) {
		f = app.Offload(r, work)
		return refusedByPool(f), nil
	}
	admitted := app.While(func() app.Future[bool] { return app.Map(app.Sleep(r, poolRetry), again) })
	return app.Then(admitted, func(app.Done) app.Future[T] { return f })
}

func refusedByPool[T any](f app.Future[T]) bool {
	if !f.Ready() {
		return false
	}
	_, err := f.Result()
	return errors.Is(err, app.ErrPoolFull)
}

// read fills p with what comes next; 0 is the end. A file that has become shorter
// is an error: the length was announced. On the pool.
func (c *fileContent) read(p []byte) (filled int, err error) {
	for filled < len(p) && c.at < len(c.parts) {
		part := &c.parts[c.at]
		if c.done == part.size() {
			c.at, c.done = c.at+1, 0
			continue
		}
		n, err := part.readAt(c.from, p[filled:], c.done)
		filled += n
		c.done += int64(n)
		if err != nil {
			return filled, err
		}
	}
	return filled, nil
}

// readAt reads what is at offset of the part.
func (p *filePart) readAt(file io.ReaderAt, dst []byte, offset int64) (int, error) {
	if offset < int64(len(p.prefix)) {
		return copy(dst, p.prefix[offset:]), nil
	}
	offset -= int64(len(p.prefix))
	dst = dst[:min(int64(len(dst)), p.span.length-offset)]
	n, err := file.ReadAt(dst, p.span.start+offset)
	if n == len(dst) {
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
