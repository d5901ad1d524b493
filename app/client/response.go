package client

import (
	"fmt"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Response is the response of another server. Its methods, and those of its body, are for
// the loop; other goroutines read the content by Body.Reader. A response that is neither
// read to its end nor closed holds its connection until the request that asked ends.
type Response struct {
	Status int
	Fields app.Fields
	// Protocol is app.HTTP11 or app.HTTP2.
	Protocol string
	// ContentLength is the length of the content in bytes; -1 if it is unknown.
	ContentLength int64
	// Body is the content. Unread content stops the server.
	Body *app.Body

	pending *Pending
	body    app.Body
	stated  int64 // the length in a response to HEAD; -1: none
}

// Trailers returns the trailer fields, after the body was read to its end.
func (r *Response) Trailers() app.Fields { return r.pending.trailers }

// Close drops content that was not read: over HTTP/2 the stream is reset, over HTTP/1 the
// connection is closed. It does nothing for a response that was read, or for nil.
func (r *Response) Close() {
	if r != nil {
		(*responseBody)(r.pending).Close()
	}
}

// Response returns the response as that of a handler, with its content, trailers and
// fields, except those that concern the connection only (RFC 9110 section 7.6.1). The body
// must not be used otherwise then.
func (r *Response) Response() *app.Response {
	resp := &app.Response{Status: r.Status, Fields: endToEnd(r.Fields)}
	switch {
	case r.pending.out.Method == "HEAD":
		if r.stated >= 0 {
			resp.Content = &app.Pull{Size: r.stated, Read: noContent}
		}
	case r.ContentLength != 0:
		resp.Content = r.Body.Pull()
	}
	return resp
}

// noContent is Read of the content of a response to HEAD.
func noContent([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// endToEnd returns the fields without those that concern the connection only.
func endToEnd(fields app.Fields) app.Fields {
	kept := make(app.Fields, 0, len(fields))
	for _, f := range fields {
		if !isHopByHop(f.Name) && !fields.HasToken("Connection", f.Name) {
			kept = append(kept, f)
		}
	}
	return kept
}

// hopByHop are the fields of a connection. Content-Length is made by the server.
var hopByHop = [...]string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade",
}

func isHopByHop(name string) bool {
	for _, n := range hopByHop {
		if octets.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func tooLong(limit int64) *Error {
	return &Error{Kind: BodyLimit, Sent: true, Err: fmt.Errorf("the content of the response is longer than %d bytes", limit)}
}
