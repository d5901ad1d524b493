package nethttp

import (
	"io"
	"net/http"
	"path"
	"runtime"
	"strings"
	"unsafe"

	"github.com/gatewheel/gatewheel/app/internal/overhttp"
)

// writer1 is the http.ResponseWriter of a request over HTTP/1.
type writer1 struct{ exchange }

// writer2 is the http.ResponseWriter of a request over HTTP/2.
type writer2 struct{ exchange }

var (
	_ http.CloseNotifier = (*writer1)(nil) //lint:ignore SA1019 handlers use it
	_ http.Flusher       = (*writer1)(nil)
	_ io.StringWriter    = (*writer1)(nil)
	_ io.ReaderFrom      = (*writer1)(nil)
	_ http.CloseNotifier = (*writer2)(nil) //lint:ignore SA1019 handlers use it
	_ http.Flusher       = (*writer2)(nil)
	_ io.StringWriter    = (*writer2)(nil)
	_ http.Pusher        = (*writer2)(nil)
)

// Write implements http.ResponseWriter. It waits while the peer reads slowly, and keeps nothing of p.
func (e *exchange) Write(p []byte) (int, error) {
	a := &e.answer
	if e.returned.Load() {
		e.logCall("Write after the handler has returned")
		return 0, errReturned
	}
	if a.hijacked {
		if len(p) > 0 {
			e.logCall("response.Write on hijacked connection")
		}
		return 0, http.ErrHijacked
	}
	if a.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !overhttp.AllowsContent(a.status):
		return 0, http.ErrBodyNotAllowed
	}
	if a.written += int64(len(p)); a.length >= 0 && a.written > a.length {
		return 0, http.ErrContentLength
	}
	return e.buffer(p)
}

// WriteString implements io.StringWriter.
func (e *exchange) WriteString(s string) (int, error) {
	// Write neither changes nor keeps its argument.
	return e.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// buffer adds p to the buffer, and passes it on when it is full.
func (e *exchange) buffer(p []byte) (written int, err error) {
	a := &e.answer
	if a.buf == nil {
		a.buf = newBuffer(smallContent)
	}
	for len(p) > a.room-len(a.buf) && a.err == nil {
		n := len(p)
		if len(a.buf) == 0 {
			e.pass(p)
		} else {
			n = a.room - len(a.buf)
			a.buf = append(a.buf, p[:n]...)
			e.passBuffer()
		}
		if a.err != nil {
			break
		}
		written += n
		p = p[n:]
	}
	if a.err != nil {
		return written, a.err
	}
	a.buf = append(a.buf, p...)
	return written + len(p), nil
}

// pass passes p to the loop, after the head.
func (e *exchange) pass(p []byte) {
	if !e.answer.started {
		e.start(p)
	}
	if e.answer.streams && len(p) > 0 {
		e.answer.err = e.send(p)
	}
}

// passBuffer passes the buffer to the loop.
func (e *exchange) passBuffer() {
	e.pass(e.answer.buf)
	e.answer.buf = e.answer.buf[:0]
}

// Flush implements http.Flusher.
func (e *exchange) Flush() { _ = e.FlushError() }

// FlushError sends the head and what was written so far.
func (e *exchange) FlushError() error {
	a := &e.answer
	if e.returned.Load() {
		e.logCall("Flush after the handler has returned")
		return errReturned
	}
	if a.hijacked {
		return http.ErrHijacked
	}
	if a.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	if a.status == http.StatusSwitchingProtocols {
		return nil // the head leaves with Hijack
	}
	if a.err == nil {
		e.passBuffer()
	}
	if a.err == nil {
		e.mu.Lock()
		a.err = e.unwritableStream()
		e.mu.Unlock()
	}
	return a.err
}

// unwritableStream is unwritable, for a response that need not have content. With e.mu held.
func (e *exchange) unwritableStream() error {
	if e.answer.streams {
		return e.unwritable()
	}
	return e.gone
}

// ReadFrom implements io.ReaderFrom.
func (w *writer1) ReadFrom(src io.Reader) (n int64, err error) {
	buf := newBuffer(largeContent)
	defer freeBuffer(&buf)
	return io.CopyBuffer(writeOnly{&w.exchange}, src, buf[:largeContent/2])
}

// writeOnly hides the other methods of an exchange from io.Copy.
type writeOnly struct{ e *exchange }

func (w writeOnly) Write(p []byte) (int, error) { return w.e.Write(p) }

// EnableFullDuplex implements the method that http.ResponseController calls. Content of the request may always be read
// after the first write; with it, content of unknown length that is left unread does not delay the response.
func (e *exchange) EnableFullDuplex() error {
	e.fullDuplex = true
	return nil
}

// CloseNotify implements http.CloseNotifier.
func (e *exchange) CloseNotify() <-chan bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.notify == nil {
		e.notify = make(chan bool, 1)
		if e.gone != nil {
			e.notify <- true
		}
	}
	return e.notify
}

// Push implements http.Pusher. It is not supported: clients have abandoned server push.
func (w *writer2) Push(string, *http.PushOptions) error { return http.ErrNotSupported }

// logCall logs a call of the handler that has no effect, with its place.
func (e *exchange) logCall(what string) {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.Contains(frame.Function, "/app/nethttp.(*") || !more {
			e.adapter.logf("http: %s from %s (%s:%d)", what, frame.Function, path.Base(frame.File), frame.Line)
			return
		}
	}
}
