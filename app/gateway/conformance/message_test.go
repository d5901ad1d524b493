//go:build linux

package conformance

import (
	"fmt"
	"strings"
)

// head is the head of a message, of either protocol.
type head struct {
	method, scheme, authority, path, protocol string // of a request
	status                                    string // of a response
	fields                                    []field
}

// values returns the values of a field, joined with "|".
func (h *head) values(name string) string {
	var all []string
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			all = append(all, f.value)
		}
	}
	return strings.Join(all, "|")
}

// has reports whether there is a field of that name.
func (h *head) has(name string) bool {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// message is what was read of a message.
type message struct {
	head
	interim  []head
	content  string
	trailers []field
	whole    bool   // it has ended as a complete message does
	end      string // how it has ended otherwise
}

func (m *message) String() string {
	return fmt.Sprintf("%s%s %s %v %q %v whole: %v %s", m.status, m.method, m.path, m.fields, short(m.content), m.trailers, m.whole, m.end)
}

func short(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%s... (%d bytes)", s[:100], len(s))
	}
	return s
}

// request is a request to be sent.
type request struct {
	method, path string
	authority    string // "a.test" by default
	fields       []field
	content      string
	trailers     []field
	open         bool // content follows
	size         int  // Content-Length other than that of content
}

func get(path string, fields ...string) request {
	return request{method: "GET", path: path, fields: fieldsOf(fields...)}
}

func post(path, content string, fields ...string) request {
	return request{method: "POST", path: path, content: content, fields: fieldsOf(fields...)}
}

// hasContent reports whether content follows the head.
func (r *request) hasContent() bool { return r.content != "" || r.open || len(r.trailers) > 0 }

// asked is a request as its client sees it.
type asked interface {
	// more sends content. end ends the request.
	more(content string, end bool)
	// leave cancels the request: by RST_STREAM with CANCEL, or the end of the connection.
	leave()
	// head reads the head of the final response.
	head() *message
	// answer reads the response to its end.
	answer() *message
}

// heard is a request as its server sees it.
type heard interface {
	// request is the head.
	request() *head
	// content reads the request to its end.
	content() *message
	// interim sends an interim response.
	interim(status string, fields ...string)
	// head sends the head of the final response; end: there is no content. Over HTTP/1.1, content without Content-Length
	// among the fields is chunked.
	head(end bool, status string, fields ...string)
	// data sends content. end ends the response.
	data(content string, end bool)
	// trailers sends trailers, and ends the response.
	trailers(fields ...string)
	// breakOff breaks off: by RST_STREAM with INTERNAL_ERROR, or the end of the connection.
	breakOff()
	// abandoned fails the test unless the gateway breaks off the request.
	abandoned()
}

// says answers with content.
func says(q heard, status, content string, fields ...string) {
	fields = append(fields, "content-length", fmt.Sprint(len(content)))
	q.head(content == "", status, fields...)
	if content != "" {
		q.data(content, true)
	}
}
