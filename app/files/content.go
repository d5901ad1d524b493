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
	file  file // the same, to be closed; nil: from is memory
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

// fileChunk is how many bytes of a file are read at once. What fits leaves as one piece
// with the head; a larger content holds one such buffer while it is sent.
const fileChunk = 64 << 10

// directRead is how much room makes it worth a system call of its own to read into it,
// in place of a copy from a larger buffer. A frame of HTTP/2 is.
const directRead = 8 << 10

// content makes the response's content. Small contents are read right away: on the
// pool, unless the file is in memory.
func (c *fileContent) content(r *app.Request) (app.Content, error) {
	if r.Method == "HEAD" {
		c.closeFile()
		return &app.Stream{Size: c.size}, nil
	}
	if c.size > fileChunk {
		s := &fileReader{content: c, r: r, ahead: c.ahead()}
		return s.pull(), nil
	}
	defer c.closeFile()
	b := make([]byte, c.size)
	n, err := c.read(b, c.from)
	if err == nil && n < len(b) {
		err = io.ErrUnexpectedEOF
	}
	return app.Bytes(b), err
}

// ahead returns what reads the file without ever waiting, nil if there is no way to.
func (c *fileContent) ahead() io.ReaderAt {
	switch f := c.file.(type) {
	case *os.File:
		return newAhead(f)
	case resident:
		return f
	}
	return nil
}

func (c *fileContent) closeFile() {
	if c.file != nil {
		c.file.Close()
	}
}

// fileReader reads a file as the peer takes it: on the loop what the kernel has in
// memory, and on the pool what it has to get from a disk.
type fileReader struct {
	content *fileContent
	r       *app.Request
	ahead   io.ReaderAt // reads without waiting, or fails with errWouldWait; nil: there is no way to
	looker  looker      // tells what ahead would read; nil: the file is not sent without a copy
	buf     []byte      // made when it is first needed
	start   int         // buf[start:end] was read and not taken
	end     int
	err     error
	pending bool // the pool is filling buf
	over    bool
}

var errWouldWait = errors.New("files: the file is not in memory")

func (s *fileReader) pull() *app.Pull {
	p := &app.Pull{Size: s.content.size, Read: s.read, Wait: s.wait, OnClose: s.close}
	if s.looker, _ = s.ahead.(looker); s.looker != nil {
		p.Spans = s
	}
	return p
}

// read is app.Pull.Read.
func (s *fileReader) read(p []byte) (int, error) {
	if s.start == s.end && s.err == nil && s.ahead != nil {
		if len(p) >= directRead {
			n, err := s.content.read(p, s.ahead)
			return s.outcome(n, err)
		}
		s.fill(s.ahead)
	}
	n := copy(p, s.buf[s.start:s.end])
	s.start += n
	return s.outcome(n, s.err)
}

// outcome is what read returns when n bytes were read, and err by the way.
func (s *fileReader) outcome(n int, err error) (int, error) {
	if s.err = err; err == errWouldWait {
		s.err = nil
	}
	switch {
	case n > 0 || s.start < s.end: // with an empty p, too
		return n, nil
	case s.err != nil:
		return 0, s.err
	case s.content.isRead():
		return 0, io.EOF
	}
	return 0, nil
}

// fill reads the next part of the content into the empty buffer.
func (s *fileReader) fill(from io.ReaderAt) {
	if s.buf == nil {
		s.buf = make([]byte, fileChunk)
	}
	s.start = 0
	s.end, s.err = s.content.read(s.buf, from)
}

// wait is app.Pull.Wait: it has the pool read the next part.
func (s *fileReader) wait(ready func()) {
	s.pending = true
	f := patiently(s.r, func(context.Context) (app.Done, error) {
		s.fill(s.content.from)
		return app.Done{}, nil
	})
	f.Done(func(_ app.Done, err error) {
		s.pending = false
		switch {
		case s.over:
			s.close()
			return
		case err != nil:
			s.err = err
		}
		ready()
	})
}

// close is app.Pull.OnClose: it closes the file, on the pool, since on some file systems
// that waits too; and not while the pool reads it.
func (s *fileReader) close() {
	s.over = true
	if s.pending {
		return
	}
	if core.FilePool(s.r).Submit(s.content.closeFile) != nil {
		s.content.closeFile()
	}
}

// poolRetry is how long a response that has begun waits for a place in a pool
// that is full.
const poolRetry = 20 * time.Millisecond

// patiently runs work in the pool for files. It waits for a place, since the response has
// begun and it is too late for a 503.
func patiently[T any](r *app.Request, work func(context.Context) (T, error)) app.Future[T] {
	f := app.OffloadTo(r, core.FilePool(r), work)
	if !refusedByPool(f) {
		return f
	}
	again := func(app.Done) (bool, error) {
		f = app.OffloadTo(r, core.FilePool(r), work)
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

// fd returns the descriptor of the file, which is one of the system.
func (c *fileContent) fd() int { return int(c.file.(*os.File).Fd()) }

// skip takes n bytes of the present part as read.
func (c *fileContent) skip(n int64) {
	if c.done += n; c.done == c.parts[c.at].size() {
		c.at, c.done = c.at+1, 0
	}
}

// isRead reports whether the content was read to its end.
func (c *fileContent) isRead() bool { return c.at == len(c.parts) }

// read fills p with what comes next, read from the file as from does it. A file that has
// become shorter is an error: the length was announced.
func (c *fileContent) read(p []byte, from io.ReaderAt) (filled int, err error) {
	for filled < len(p) && c.at < len(c.parts) {
		part := &c.parts[c.at]
		n, err := part.readAt(from, p[filled:], c.done)
		filled += n
		c.skip(int64(n))
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
