//go:build linux

package conformance

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

const firstWindow = 65535 // of a stream and of the connection, before WINDOW_UPDATE

// Content that fills the client's window exactly has no room for more. Its end needs none (RFC 9113 section 6.9.1), and
// must not wait for the client's credit.
func TestEndOfResponseBehindFullWindow(t *testing.T) {
	content := strings.Repeat("x", firstWindow)
	for name, end := range map[string]func(heard){
		"the end":  func(server heard) { server.data("", true) },
		"trailers": func(server heard) { server.trailers("x-sum", "1") },
	} {
		t.Run(name, func(t *testing.T) {
			over(t, []transport{h2c, h2}, []transport{h1, h2c, h2}, options{}, func(s *site) {
				link := s.dialLink()
				link.write(func(*http2.Framer) { link.stingy = true })
				q := link.ask(get("/"))
				server := s.accept().hear()
				server.head(false, "200")
				server.data(content, false)
				link.takesContent(q.id, q.head(), firstWindow)
				end(server)
				s.wants(q.answer(), "200", content)
			})
		})
	}
}

// The same for a request, whose server gives no credit.
func TestEndOfRequestBehindFullWindow(t *testing.T) {
	over(t, []transport{h1, h2c}, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "begin", open: true})
		conn := s.acceptLink()
		conn.write(func(*http2.Framer) { conn.stingy = true })
		server := conn.hear()
		q.more(strings.Repeat("x", firstWindow-len("begin")), false)
		conn.takesContent(server.id, &server.seen, firstWindow)
		q.more("", true)
		server.content()
		ok(server)
		s.wants(q.answer(), "200", "fine")
	})
}
