package app

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Blocking returns a handler that runs serve in a goroutine of its own for each request.
// serve reads the content from r.Body.Reader() and writes the response to w. Writes block
// while the peer reads slowly, reads while it sends nothing, and both fail when the
// request ends, which also ends r.Context().
//
// A response of up to 4 KiB is sent with its length, a longer one is streamed. An error
// or a panic of serve before anything was sent is the failure of the handler, see
// ErrorResponse; after that it aborts the response. The request's deadline concerns the
// head of the response only.
//
// serve waits for futures with Await. It must not call methods of r that are for the
// loop.
func Blocking(serve func(w *ResponseWriter, r *Request) error) Handler {
	return func(r *Request) Answer {
		head, f := Promised[*Response](r)
		w := &ResponseWriter{r: r, head: head, discard: r.Method == "HEAD"}
		r.lifetime()
		r.spawn(func() { w.run(serve) })
		return f
	}
}

// ResponseWriter writes the response of a Blocking handler. It is for one goroutine at a
// time.
type ResponseWriter struct {
	r        *Request
	fields   Fields
	status   int
	trailers Fields
	buf      []byte
	head     *Promise[*Response]
	started  bool   // the head has left
	sent     Fields // the fields of the head that has left
	discard  bool
	err      error

	once    sync.Once // prepares the fields below, which only streams need
	call    loopCall
	end     *Promise[Done]
	dropped atomic.Bool // the response was closed
	// out and writing belong to the loop.
	out     *Writer
	writing Future[int]
	begun   bool
}

// Sizes of the buffer of a ResponseWriter in bytes: before the head has left, and after.
const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

// ErrNoContentAllowed reports a Write for a status without content.
var ErrNoContentAllowed = errors.New("app: a response with this status has no content")

// errDropped reports a Write after middleware has replaced the response.
var errDropped = errors.New("app: the response was dropped")

// Fields returns the field lines of the response. They may be changed until the head has
// left, see Started. Later changes have no effect, except for one line in the log. In
// the goroutine of the handler.
func (w *ResponseWriter) Fields() *Fields { return &w.fields }

// SetStatus sets the status, 200 to 599. The default is 200. After the head has left it
// has no effect, except for one line in the log. In the goroutine of the handler.
func (w *ResponseWriter) SetStatus(status int) {
	if w.started {
		warn(w.r.Loop(), "SetStatus("+strconv.Itoa(status)+") after the head of the response had left with "+strconv.Itoa(w.statusOr200()))
		return
	}
	w.status = status
}

// Started reports whether the head has left: after a Flush, or a Write for which the
// buffer was too small. In the goroutine of the handler.
func (w *ResponseWriter) Started() bool { return w.started }

// Trailer adds a trailer field, which is sent after the content. A response with trailer
// fields is streamed. In the goroutine of the handler.
func (w *ResponseWriter) Trailer(name, value string) { w.trailers.Add(name, value) }

// Inform sends an interim response, with the errors of Request.Inform, and blocks until
// the server has taken it. In the goroutine of the handler, before the head has left.
func (w *ResponseWriter) Inform(status int, fields Fields) error {
	var e loopCall
	e.init(w.r, w.r.Loop(), func(func()) (int, bool, error) { return 0, false, w.r.Inform(status, fields) })
	_, err := e.do()
	return err
}

// Write implements io.Writer. It copies p, and blocks while the peer reads slowly. It
// fails with the cause of the request's end, ErrNoContentAllowed, ErrTooLong if the
// handler has set a smaller Content-Length, and os.ErrDeadlineExceeded. In the goroutine
// of the handler.
func (w *ResponseWriter) Write(p []byte) (int, error) {
	return write(w, p, func(dst []byte, p []byte) []byte { return append(dst, p...) })
}

// WriteString implements io.StringWriter. It is like Write. In the goroutine of the
// handler.
func (w *ResponseWriter) WriteString(s string) (int, error) {
	return write(w, s, func(dst []byte, s string) []byte { return append(dst, s...) })
}

func write[S []byte | string](w *ResponseWriter, p S, add func([]byte, S) []byte) (written int, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case !allowsContent(w.statusOr200()):
		return 0, ErrNoContentAllowed
	}
	for {
		room := w.room()
		n := min(len(p), room-len(w.buf))
		w.buf = add(w.buf, p[:n])
		written += n
		p = p[n:]
		if len(p) == 0 {
			return written, nil
		}
		if err := w.Flush(); err != nil {
			return written, err
		}
	}
}

// room returns the current size of the buffer.
func (w *ResponseWriter) room() int {
	if w.started {
		return largeBuffer
	}
	return smallBuffer
}

func allowsContent(status int) bool { return status != 204 && status != 304 }

func (w *ResponseWriter) statusOr200() int {
	if w.status == 0 {
		return 200
	}
	return w.status
}

// Flush sends the head and what was written so far, and blocks until the server has
// taken it. Its errors are those of Write. In the goroutine of the handler.
func (w *ResponseWriter) Flush() error {
	if w.err == nil && !w.started {
		w.start()
	}
	if w.err == nil && !w.discard && len(w.buf) > 0 {
		w.once.Do(w.prepare)
		_, w.err = w.call.do()
	}
	w.buf = w.buf[:0]
	return w.err
}

// SetDeadline sets the deadline of later writes. A write that waits at t fails with
// os.ErrDeadlineExceeded, and so do all that follow. The zero time is no deadline. Any
// goroutine.
func (w *ResponseWriter) SetDeadline(t time.Time) {
	w.once.Do(w.prepare)
	w.call.deadline.Store(&t)
}

func (w *ResponseWriter) prepare() {
	w.call.init(w.r, w.r.Loop(), w.try)
	w.end, _ = Promised[Done](w.r)
}

// start sends the head of a stream.
func (w *ResponseWriter) start() {
	w.started = true
	w.once.Do(w.prepare)
	fields, size := w.fields.Clone(0), int64(-1)
	if text := fields.Get("Content-Length"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			size = n
		}
		fields.Del("Content-Length")
	}
	w.sent = fields
	resp := &Response{Status: w.statusOr200(), Fields: fields}
	if allowsContent(resp.Status) {
		resp.Content = &Stream{Size: size, Produce: w.produce, OnClose: w.closed}
	}
	if !w.head.Resolve(resp) {
		w.err = w.r.cause()
	}
}

// produce is the producer of the stream. The goroutine writes. On the loop.
func (w *ResponseWriter) produce(out *Writer) Future[Done] {
	w.out = out
	w.call.run()
	return w.end.future()
}

// closed is called when nothing more of the response can be sent. On the loop.
func (w *ResponseWriter) closed() {
	w.dropped.Store(true)
	w.call.run()
}

// try writes buf for the goroutine. On the loop.
func (w *ResponseWriter) try(ready func()) (int, bool, error) {
	if w.out == nil {
		if w.dropped.Load() {
			return 0, false, errDropped
		}
		return 0, true, nil // produce or closed tries again
	}
	if !w.begun {
		w.begun, w.writing = true, on(w.r.Loop(), w.out.Write(w.buf))
		if !w.writing.Ready() {
			w.writing.Done(func(int, error) { ready() })
			return 0, true, nil
		}
	}
	if !w.writing.Ready() {
		return 0, true, nil
	}
	w.begun = false
	n, err := w.writing.Result()
	return n, false, err
}

// run calls serve, in the goroutine.
func (w *ResponseWriter) run(serve func(*ResponseWriter, *Request) error) {
	err := errExited
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		w.finish(err)
	}()
	err = serve(w, w.r)
}

func (w *ResponseWriter) finish(err error) {
	switch {
	case !w.started && err != nil:
		w.head.Fail(err)
		return
	case !w.started && len(w.trailers) == 0:
		w.whole()
		return
	}
	if w.started && w.fieldsChanged() {
		warn(w.r.Loop(), "the fields of a response were changed after its head had left")
	}
	if err == nil {
		err = w.Flush()
	}
	if w.discard {
		err = nil
	}
	w.r.Loop().Post(func() {
		if w.out != nil {
			for _, f := range w.trailers {
				w.out.Trailer(f.Name, f.Value)
			}
		}
		if err != nil {
			w.end.Fail(err)
		} else {
			w.end.Resolve(Done{})
		}
	})
}

// fieldsChanged reports whether the fields are not those that have left. Content-Length
// did not leave as a field.
func (w *ResponseWriter) fieldsChanged() bool {
	left := w.sent
	for _, f := range w.fields {
		if octets.EqualFold(f.Name, "Content-Length") {
			continue
		}
		if len(left) == 0 || left[0] != f {
			return true
		}
		left = left[1:]
	}
	return len(left) > 0
}

// whole sends everything that was written as one response.
func (w *ResponseWriter) whole() {
	resp := &Response{Status: w.statusOr200(), Fields: w.fields}
	if w.discard && resp.Fields.Has("Content-Length") {
		w.start() // the length of what GET would get is the application's word
		return
	}
	resp.Fields.Del("Content-Length")
	if allowsContent(resp.Status) {
		resp.Content = Bytes(w.buf)
	}
	w.head.Resolve(resp)
}
