package app

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Response is a status, field lines and content. Servers do not change it. One without
// content, or with Bytes, may be returned for any number of requests on any loop; one
// with other content is for one request.
type Response struct {
	// Status is a final status code, 200 to 599. Others become a 500.
	Status int
	// Fields are sent in order. The server sets Content-Length, Transfer-Encoding,
	// Connection and Date.
	Fields Fields
	// Content is nil if there is none.
	Content Content
	// Sensitive, if not nil, reports whether a field of that name must never be indexed
	// (RFC 7541 section 7.1.3), as gateways pass it on.
	Sensitive func(name string) bool

	anyStatus bool // Status may be up to 999
}

// Content is the content of a response: Bytes, *Pull, *Stream, or that of a WebSocket.
// Content that holds resources has a method Close() error, which is called once,
// whether the response is sent or not; see Response.Close.
type Content interface {
	// Length returns the length in bytes, or -1 if it is unknown.
	Length() int64
}

// Bytes is content in memory. It must not be changed.
type Bytes []byte

// Length returns the number of bytes.
func (b Bytes) Length() int64 { return int64(len(b)) }

// Pull is content that the server reads into its output buffer as the peer takes it.
type Pull struct {
	// Size is the length in bytes; -1 if it is unknown.
	Size int64
	// Read fills p like an io.Reader and ends with io.EOF. Other errors abort the
	// response. It runs on the loop and must not block.
	Read func(p []byte) (int, error)
	// Wait, if not nil, is called on the loop when Read has returned 0 without an error.
	// It arranges one call of ready, on the loop, when Read has more or fails. Without
	// Wait such a Read aborts the response.
	Wait func(ready func())
	// Spans, if not nil, gives parts of the content as spans of a file, which the server
	// may take in place of calls of Read. Code that replaces Read sets Spans to nil.
	Spans Spans
	// Trailers, if not nil, returns the trailer fields (RFC 9110 section 6.5). It is called
	// at most once, on the loop, after Read has returned io.EOF. Code that wraps a Pull
	// keeps it.
	Trailers func() Fields
	// OnClose, if not nil, is called once on the loop when the response has ended,
	// whether anything was read or not.
	OnClose func()
}

// Spans gives content that is a span of an open file, so that the server can send it
// without copying it (sendfile). Methods run on the loop as user code and must not block.
type Spans interface {
	// Span returns where the next content is: n bytes, at most max, at offset of the
	// file fd, all of them in memory. n is 0 if the next content is not, or not in a
	// file: then Read is called. The file stays open until the server calls another
	// method of the Pull, OnClose included.
	Span(max int) (fd int, offset int64, n int)
	// Skip takes n bytes of the span as read.
	Skip(n int)
}

// Close calls OnClose once. Later calls do nothing. It returns nil. On the loop.
func (p *Pull) Close() error {
	if release := p.OnClose; release != nil {
		p.OnClose = nil
		release()
	}
	return nil
}

// Length returns Size.
func (p *Pull) Length() int64 { return p.Size }

// Stream is content that a producer writes.
type Stream struct {
	// Size is the length in bytes; -1 if it is unknown.
	Size int64
	// Produce writes the content to w. It is called on the loop after the server has
	// taken the head, and not for HEAD. The content is complete when its future is
	// ready; a failure or a panic aborts the response.
	Produce func(w *Writer) Future[Done]
	// OnClose, if not nil, is called once on the loop when the response has ended,
	// whether Produce was called or not.
	OnClose func()
}

// Done is the value of futures without one.
type Done = struct{}

// Length returns Size.
func (s *Stream) Length() int64 { return s.Size }

// Close calls OnClose once. Later calls do nothing. It returns nil. On the loop.
func (s *Stream) Close() error {
	if release := s.OnClose; release != nil {
		s.OnClose = nil
		release()
	}
	return nil
}

// serve implements spi.ServeStream.
func (s *Stream) serve(r *Request) {
	w := &Writer{r: r, left: s.Size}
	on(r.Loop(), produce(s, w)).Done(func(_ Done, err error) {
		if err == nil && w.left > 0 {
			err = errShort
		}
		defer r.exchange.Finish(w.trailers, err) // also when OnClose panics
		s.Close()
	})
}

var errShort = errors.New("app: a stream has ended before its Size was reached")

func produce(s *Stream, w *Writer) (f Future[Done]) {
	defer rescue(&f)
	return s.Produce(w)
}

// Close releases the resources of the content. Servers close responses that have ended;
// middleware closes a response that it replaces. Bytes have no resources. On the loop.
func (resp *Response) Close() {
	if resp == nil {
		return
	}
	if c, ok := resp.Content.(interface{ Close() error }); ok {
		c.Close()
	}
}

// With returns a copy of the response with that value in place of those that the field
// name has had, if any. It shares the content. For fields of which a response may have
// several lines, such as Set-Cookie, Vary and Link, see WithAdded. Any goroutine.
func (resp *Response) With(name, value string) *Response {
	copied := *resp
	copied.Fields = resp.Fields.Clone(1)
	copied.Fields.Set(name, value)
	return &copied
}

// WithAdded returns a copy of the response with one more field line, after those that it
// has. It shares the content. Any goroutine.
func (resp *Response) WithAdded(name, value string) *Response {
	copied := *resp
	copied.Fields = append(resp.Fields.Clone(1), Field{Name: name, Value: value})
	return &copied
}

// Length returns the length of the content in bytes: 0 without content, -1 if it is
// unknown. Any goroutine.
func (resp *Response) Length() int64 {
	if resp.Content == nil {
		return 0
	}
	return resp.Content.Length()
}

const textPlain = "text/plain; charset=utf-8"

// Blob returns a response with bytes of that content type. b must not be changed. Any
// goroutine.
func Blob(status int, contentType string, b []byte) *Response {
	return &Response{
		Status:  status,
		Fields:  Fields{{Name: "Content-Type", Value: contentType}},
		Content: Bytes(b),
	}
}

// Text returns a response with plain text in UTF-8. Any goroutine.
func Text(status int, text string) *Response {
	return Blob(status, textPlain, []byte(text))
}

// HTML returns a response with an HTML document in UTF-8. Any goroutine.
func HTML(status int, document string) *Response {
	return Blob(status, "text/html; charset=utf-8", []byte(document))
}

// JSON returns a response with v as encoding/json encodes it, and a newline. It panics
// if v cannot be encoded, which becomes a 500 and a line in the log. Any goroutine.
func JSON(status int, v any) *Response {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return Blob(status, "application/json", append(b, '\n'))
}

// Empty returns a response without content, as 204 and 304 require. Any goroutine.
func Empty(status int) *Response { return &Response{Status: status} }

// Redirect returns a response with a Location field. status is 301, 302, 303, 307 or
// 308. Any goroutine.
func Redirect(status int, location string) *Response {
	return Text(status, location+"\n").With("Location", location)
}

// Streamed returns a response with content that produce writes, of unknown length. See
// Stream. Any goroutine.
func Streamed(status int, contentType string, produce func(w *Writer) Future[Done]) *Response {
	return &Response{
		Status:  status,
		Fields:  Fields{{Name: "Content-Type", Value: contentType}},
		Content: &Stream{Size: -1, Produce: produce},
	}
}

// Pulled returns a response with size bytes (-1: up to io.EOF) that the server reads as
// the peer takes them. See Pull. Any goroutine.
func Pulled(status int, contentType string, size int64, read func(p []byte) (int, error)) *Response {
	return &Response{
		Status:  status,
		Fields:  Fields{{Name: "Content-Type", Value: contentType}},
		Content: &Pull{Size: size, Read: read},
	}
}

// Error returns a response with one line of text, which is the reason phrase of the
// status if message is empty. Any goroutine.
func Error(status int, message string) *Response {
	if message == "" {
		message = reason(status)
	}
	return Text(status, message+"\n")
}

// ErrorResponse returns the response for a failure:
//
//   - an error with a method Response() *Response has its own, as *StatusError does;
//   - ErrPoolFull is 503 with Retry-After;
//   - ErrDeadline, ErrDraining, timeouts, and a context that has ended are 503: a peer
//     that has only closed its sending side still gets it;
//   - a panic and any other error are 500, without the reason.
//
// Of wrapped errors, the outermost with a response counts.
func ErrorResponse(err error) *Response {
	var own interface{ Response() *Response }
	var deadline interface{ Timeout() bool }
	switch {
	case errors.As(err, &own):
		if resp := own.Response(); resp != nil && isFinal(resp.Status) {
			return resp
		}
	case errors.Is(err, ErrPoolFull):
		return Error(503, "too busy, try again").With("Retry-After", "1")
	case errors.Is(err, ErrDeadline), errors.As(err, &deadline) && deadline.Timeout():
		return Error(503, "no answer in time")
	case errors.Is(err, ErrDraining):
		return Error(503, "the server is draining")
	case errors.Is(err, ErrHalfClosed), errors.Is(err, ErrPeerGone), errors.Is(err, context.Canceled):
		return Error(503, "the request was cancelled")
	}
	return Error(500, "")
}

// isFinal reports whether a final response may have that status (RFC 9110 section 15).
func isFinal(status int) bool { return status >= 200 && status <= 599 }

func reason(status int) string {
	if text := octets.StatusText(status); text != "" {
		return text
	}
	return strconv.Itoa(status)
}
