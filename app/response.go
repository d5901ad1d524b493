package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Response is a status, field lines and content. One whose content is Bytes (or
// none) is immutable for the server, so that it may be made once and returned
// any number of times, on any loop; one with other content is for one request.
type Response struct {
	// Status is a final status code, 200 to 599; anything else is a mistake, and 500.
	Status int
	// Fields are sent in order. Content-Length, Transfer-Encoding, Connection
	// and Date are the server's.
	Fields Fields
	// Content is nil where there is none.
	Content Content
}

// Content is a response's content: Bytes, *Pull or *Stream. Content that holds
// something open also has Close() error; whoever ends up with the response calls
// it once, whether it was sent or not (see Response.Close).
type Content interface {
	// Length is the content's length in bytes, -1 when it is not known.
	Length() int64
}

// Bytes is content that is in memory. It must not change any more.
type Bytes []byte

// Length is the number of bytes.
func (b Bytes) Length() int64 { return int64(len(b)) }

// Pull is content that the server reads as the peer takes it, straight into its
// output buffer.
type Pull struct {
	// Size is the length in bytes, -1 when it is not known.
	Size int64
	// Read fills p as an io.Reader does and ends with io.EOF. It runs on the loop
	// as user code and must not block. Another error aborts the response.
	Read func(p []byte) (int, error)
	// Wait, if not nil, is called when Read has returned 0 and no error: ready is to
	// be called, once and on the loop, when Read has more or has failed. Without Wait
	// such a Read aborts the response. On the loop, as user code.
	Wait func(ready func())
	// OnClose, if not nil, is called once on the loop when the response is over,
	// whether anything was read or not.
	OnClose func()
}

// Close calls OnClose, once.
func (p *Pull) Close() error {
	if release := p.OnClose; release != nil {
		p.OnClose = nil
		release()
	}
	return nil
}

// Length is Size.
func (p *Pull) Length() int64 { return p.Size }

// Stream is content that a producer writes when it has some.
type Stream struct {
	// Size is the length in bytes, -1 when it is not known.
	Size int64
	// Produce is called on the loop when the head has been given to the server
	// (for HEAD it is not called) and writes to w. The content is complete when
	// its future is ready; a failure aborts the response.
	Produce func(w *Writer) Future[Done]
	// OnClose, where set, is called once on the loop when the response is over,
	// whether Produce was called or not.
	OnClose func()
}

// Done is the value of a future that has none.
type Done = struct{}

// Length is Size.
func (s *Stream) Length() int64 { return s.Size }

// Close calls OnClose, once.
func (s *Stream) Close() error {
	if release := s.OnClose; release != nil {
		s.OnClose = nil
		release()
	}
	return nil
}

// serve runs the stream for r: it calls Produce, and the exchange's Finish when
// the content is complete or has failed. Servers call it once, on the loop, as
// user code, when they have taken the head. A panic of Produce reaches Finish
// as a *PanicError. For a response to HEAD, servers call Response.Close in its
// place.
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

// Close releases the content of a response that is over or is not going to be
// sent. Middleware that puts another response in place of one closes the one it
// got. It does nothing for Bytes.
func (resp *Response) Close() {
	if resp == nil {
		return
	}
	if c, ok := resp.Content.(interface{ Close() error }); ok {
		c.Close()
	}
}

// With returns a copy of the response that has one more field line. The copy
// shares the content.
func (resp *Response) With(name, value string) *Response {
	copied := *resp
	copied.Fields = append(resp.Fields.Clone(1), Field{Name: name, Value: value})
	return &copied
}

// Length is the content's length in bytes: 0 without content, -1 unknown.
func (resp *Response) Length() int64 {
	if resp.Content == nil {
		return 0
	}
	return resp.Content.Length()
}

const textPlain = "text/plain; charset=utf-8"

// Blob answers with bytes of that content type. b must not change any more.
func Blob(status int, contentType string, b []byte) *Response {
	return &Response{
		Status:  status,
		Fields:  Fields{{Name: "Content-Type", Value: contentType}},
		Content: Bytes(b),
	}
}

// Text answers with plain text in UTF-8.
func Text(status int, text string) *Response {
	return Blob(status, textPlain, []byte(text))
}

// HTML answers with an HTML document in UTF-8.
func HTML(status int, document string) *Response {
	return Blob(status, "text/html; charset=utf-8", []byte(document))
}

// JSON answers with v as encoding/json writes it, and a newline. A value that
// it cannot write is a mistake of the program: JSON panics, which becomes a 500
// and a line in the log.
func JSON(status int, v any) *Response {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return Blob(status, "application/json", append(b, '\n'))
}

// Empty answers without content, as 204 and 304 require.
func Empty(status int) *Response { return &Response{Status: status} }

// Redirect answers with a Location: 301, 302, 303, 307 or 308.
func Redirect(status int, location string) *Response {
	return Text(status, location+"\n").With("Location", location)
}

// Streamed answers with what produce writes; the length is not known
// beforehand. See Stream.
func Streamed(status int, contentType string, produce func(w *Writer) Future[Done]) *Response {
	return &Response{
		Status:  status,
		Fields:  Fields{{Name: "Content-Type", Value: contentType}},
		Content: &Stream{Size: -1, Produce: produce},
	}
}

// Pulled answers with size bytes (-1: as many as come) that the server reads as
// the peer takes them. See Pull for what read may do.
func Pulled(status int, contentType string, size int64, read func(p []byte) (int, error)) *Response {
	return &Response{
		Status:  status,
		Fields:  Fields{{Name: "Content-Type", Value: contentType}},
		Content: &Pull{Size: size, Read: read},
	}
}

// Error answers with one line of text.
func Error(status int, message string) *Response {
	if message == "" {
		message = reason(status)
	}
	return Text(status, message+"\n")
}

// ErrorResponse is what a failure looks like to the peer: an error with a method
// Response() *Response gives its own, as a *StatusError does; ErrPoolFull is 503 with Retry-After;
// ErrDraining, a deadline that has passed, or a context that has ended (when the peer
// has closed its sending side, it still gets an answer), is 503; a panic and anything
// else is 500, and the peer is not told why. Of errors around each other, the
// outermost that has a response counts.
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
		return Error(503, "the server is about to stop")
	case errors.Is(err, ErrHalfClosed), errors.Is(err, ErrPeerGone), errors.Is(err, context.Canceled):
		return Error(503, "the request was cancelled")
	}
	return Error(500, "")
}

// isFinal tells whether a response may have that status (RFC 9110 section 15): an
// interim one, and what is none, cannot end an exchange.
func isFinal(status int) bool { return status >= 200 && status <= 599 }

func reason(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return strconv.Itoa(status)
}
