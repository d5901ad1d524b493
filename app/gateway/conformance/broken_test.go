//go:build linux

package conformance

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// Rule 12: content that does not have its length is never passed on as if it had.
func TestRequestsOfAnotherLength(t *testing.T) {
	// Less content than stated.
	over(t, []transport{h2c, h2}, transports, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "12345", open: true, size: 10})
		server := s.accept().hear()
		q.more("", true)
		s.refused(q.answer())
		server.abandoned()
		s.ended(gateway.ClientMalformed)
	})
	// More content than stated.
	over(t, []transport{h2c, h2}, transports, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "12345", open: true, size: 10})
		server := s.accept().hear()
		q.more("6789012345", true)
		s.refused(q.answer())
		server.abandoned()
		s.ended(gateway.ClientMalformed)
	})
	// Content that breaks off.
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "12345", open: true, size: 10})
		server := s.accept().hear()
		q.leave()
		server.abandoned()
		s.ended(gateway.ClientGone)
	})
	// A malformed chunk.
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "12345", open: true})
		server := s.accept().hear()
		q.(*lineAsked).say("xyz\r\n")
		s.refused(q.answer())
		server.abandoned()
		s.ended(gateway.ClientMalformed)
	})
	// Half a request, and FIN.
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "12345", open: true}).(*lineAsked)
		server := s.accept().hear()
		q.say("5\r\nab")
		halfClose(q.line)
		if m := q.answer(); m.whole && m.status != "400" {
			s.Errorf("the client has got %v", m)
		}
		server.abandoned()
	})
}

// refused fails the test unless the request was answered with 400, or reset.
func (s *site) refused(m *message) {
	s.Helper()
	if m.status != "400" && !strings.HasPrefix(m.end, "reset") {
		s.Errorf("the client has got %v; want 400 or a reset", m)
	}
}

// Rule 13: what a server breaks off never looks complete.
func TestResponsesThatBreakOff(t *testing.T) {
	for _, length := range []bool{false, true} {
		pairs(t, options{}, func(s *site) {
			q := s.ask(get("/"))
			server := s.accept().hear()
			if length {
				server.head(false, "200", "content-length", "10")
			} else {
				server.head(false, "200")
			}
			server.data("part", false)
			if m := q.head(); m.status != "200" {
				s.Fatalf("the client has got %v", m)
			}
			server.breakOff()
			if m := q.answer(); m.whole || !strings.HasPrefix("part", m.content) {
				s.Errorf("the client has got %v", m)
			}
			if s.out.isHTTP2() {
				s.ended(gateway.UpstreamReset)
			} else {
				s.ended(gateway.UpstreamEOF)
			}
		})
	}
	// With the head alone.
	pairs(t, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear()
		server.head(false, "200")
		server.breakOff()
		if m := q.answer(); m.whole && m.status != "502" {
			s.Errorf("the client has got %v", m)
		}
	})
}

// The end of the connection breaks off every response on it.
func TestConnectionsThatBreakOff(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q, other := s.ask(get("/")), s.ask(get("/other"))
		conn := s.accept()
		first, second := conn.hear(), conn.hear()
		first.head(false, "200")
		first.data("part", false)
		second.head(false, "200")
		second.data("part", false)
		q.head()
		other.head()
		conn.end()
		for _, q := range []asked{q, other} {
			if m := q.answer(); m.whole {
				s.Errorf("the client has got %v", m)
			}
		}
		s.ended(gateway.UpstreamEOF, gateway.UpstreamEOF)
	})
	// GOAWAY with an error, then the end.
	over(t, transports, []transport{h2c}, options{}, func(s *site) {
		q := s.ask(get("/"))
		conn := s.accept()
		first := conn.hear()
		first.head(false, "200")
		q.head()
		linkOf(conn).goaway(1, http2.ErrCodeInternal)
		conn.end()
		if m := q.answer(); m.whole {
			s.Errorf("the client has got %v", m)
		}
	})
}

// malformedResponses are what a server over HTTP/1.1 says, and what the client gets: the status, or "cut" for a response that
// breaks off.
var malformedResponses = []struct {
	name, says, want string
	reason           gateway.Reason
	keeps            bool // the connection to the server may be used again
}{
	{"two lengths", "200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"equal lengths in a list", "200 OK\r\nContent-Length: 2, 2\r\n\r\nab", "*", 0, false},
	{"a signed length", "200 OK\r\nContent-Length: +2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"a negative length", "200 OK\r\nContent-Length: -2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"a hexadecimal length", "200 OK\r\nContent-Length: 0x2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"a huge length", "200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"an empty length", "200 OK\r\nContent-Length:\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"a length with a space", "200 OK\r\nContent-Length: 1 2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"a length cut short", "200 OK\r\nContent-Length: 10\r\n\r\nab", "cut", gateway.UpstreamEOF, false},
	{"both codings", "200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200 abc", gateway.OK, false},
	{"a coding before chunked", "200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"an unknown coding", "200 OK\r\nTransfer-Encoding: identity\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"chunked twice", "200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"chunked before another", "200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"no last chunk", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "cut", gateway.UpstreamEOF, false},
	{"a chunk cut short", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab", "cut", gateway.UpstreamEOF, false},
	{"a last chunk without its end", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", "cut", gateway.UpstreamEOF, false},
	{"a bad chunk size", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nxy\r\n\r\n", "cut", gateway.UpstreamMalformed, false},
	{"a huge chunk size", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nffffffffffffffffff\r\n\r\n", "cut", gateway.UpstreamMalformed, false},
	{"a chunk without its end", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd0\r\n\r\n", "cut", gateway.UpstreamMalformed, false},
	{"a chunk with a bare LF", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n", "cut", gateway.UpstreamMalformed, false},
	{"malformed trailers", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx y\r\n\r\n", "cut", gateway.UpstreamMalformed, false},
	{"trailers that are too large", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx: " + strings.Repeat("y", 100_000) + "\r\n\r\n", "cut", gateway.UpstreamMalformed, false},
	{"no length", "200 OK\r\n\r\nab", "200 ab", gateway.OK, false},
	{"no length over HTTP/1.0", "/1.0 200 OK\r\n\r\nab", "200 ab", gateway.OK, false},
	{"chunked over HTTP/1.0", "/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"204 with content", "204 X\r\nContent-Length: 2\r\n\r\nab", "204", gateway.OK, false},
	{"204 with chunks", "204 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "204", gateway.OK, false},
	{"304 with content", "304 X\r\nContent-Length: 2\r\n\r\nab", "304", gateway.OK, false},
	{"304 with a length", "304 X\r\nContent-Length: 2\r\n\r\n", "304", gateway.OK, true},
	{"205 with a length", "205 X\r\nContent-Length: 0\r\n\r\n", "205", gateway.OK, true},
	{"content beyond its length", "200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "200 ab", gateway.OK, false},
	{"content beyond the last chunk", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "200 ab", gateway.OK, false},
	{"a NUL in a value", "200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a CR in a value", "200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"an LF in a value", "200 OK\r\nX: a\nY: b\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"bare LFs", "200 OK\nContent-Length: 0\n\n", "502", gateway.UpstreamMalformed, false},
	{"a control character in a value", "200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n", "*", 0, false},
	{"a folded line", "200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a folded first field", "200 OK\r\n X: a\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a space before the colon", "200 OK\r\nContent-Length : 2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"no colon", "200 OK\r\nContent-Length 2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"an empty name", "200 OK\r\n: 2\r\n\r\nab", "502", gateway.UpstreamMalformed, false},
	{"a status of two digits", "20 OK\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a status of four digits", "2000 OK\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a status below 100", "099 OK\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a status beyond 999", "9x9 OK\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"another version", "/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"a version that is none", "/1.x 200 OK\r\nContent-Length: 0\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"another protocol", "\x00SSH-2.0-x\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"an empty line first", "\x00\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "*", 0, false},
	{"a head without its end", "200 OK\r\nContent-Len", "502", gateway.UpstreamEOF, false},
	{"nothing", "\x00", "502", gateway.UpstreamEOF, false},
	{"a head that is too large", "200 OK\r\nX: " + strings.Repeat("a", 100_000) + "\r\n\r\n", "502", gateway.UpstreamMalformed, false},
	{"too many fields", "200 OK\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n", "502", gateway.UpstreamMalformed, false},
	{"a head without end", "200 OK\r\nX: " + strings.Repeat("a", 1_000_000), "502", gateway.UpstreamMalformed, false},
	{"a status line without end", strings.Repeat("2", 1_000_000), "502", gateway.UpstreamMalformed, false},
}

// Rules 13 to 15: malformed responses over HTTP/1.1.
func TestMalformedResponses(t *testing.T) {
	for _, c := range malformedResponses {
		t.Run(c.name, func(t *testing.T) {
			over(t, transports, []transport{h1}, options{}, func(s *site) {
				q := s.ask(get("/"))
				server := s.acceptLine()
				server.hear()
				text := "HTTP/1.1 " + c.says
				if strings.HasPrefix(c.says, "/") {
					text = "HTTP" + c.says
				} else if strings.HasPrefix(c.says, "\x00") {
					text = c.says[1:]
				}
				server.say(text)
				if !c.keeps {
					halfClose(server)
				}
				if c.says == "\x00" { // a new connection that ends is tried again
					server = s.acceptLine()
					server.hear()
					halfClose(server)
				}
				m := q.answer()
				s.checkMalformed(m, c.want)
				if c.want != "*" {
					s.ended(c.reason)
				}
				if c.keeps {
					q := s.ask(get("/again"))
					again := server.hear()
					ok(again)
					s.wants(q.answer(), "200", "fine")
				} else {
					server.isClosed()
					q := s.ask(get("/again"))
					again := s.acceptLine().hear()
					if again.request().path != "/again" {
						s.Errorf("the server hears %v", again.request())
					}
					ok(again)
					s.wants(q.answer(), "200", "fine")
				}
				s.none()
			})
		})
	}
}

// checkMalformed compares what a client has got.
func (s *site) checkMalformed(m *message, want string) {
	s.Helper()
	status, content, _ := strings.Cut(want, " ")
	switch {
	case want == "*":
		s.Logf("the client has got %v", m)
		if strings.Contains(m.content, "evil") {
			s.Errorf("the client has got %v", m)
		}
	case want == "cut":
		if m.whole && m.status != "502" {
			s.Errorf("the client has got %v", m)
		}
	case status == "502":
		s.wants(m, status, "*")
	default:
		s.wants(m, status, content)
	}
}

// HEAD has no content, whatever the server says.
func TestMalformedResponsesToHEAD(t *testing.T) {
	for name, says := range map[string]string{
		"content":           "200 OK\r\nContent-Length: 2\r\n\r\nab",
		"chunks":            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		"a length":          "200 OK\r\nContent-Length: 2\r\n\r\n",
		"a coding":          "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"no length":         "200 OK\r\n\r\n",
		"another response ": "200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
	} {
		t.Run(name, func(t *testing.T) {
			over(t, transports, []transport{h1}, options{}, func(s *site) {
				conn := s.dial()
				q := conn.ask(request{method: "HEAD", path: "/"})
				server := s.acceptLine()
				server.hear()
				server.say("HTTP/1.1 " + says)
				m := q.answer()
				s.wants(m, "200", "")
				if strings.Contains(says, "Content-Length: 2") {
					s.shows(&m.head, "content-length", "2")
				}
				if strings.HasSuffix(says, "\r\n\r\n") && !strings.HasSuffix(says, "0\r\n\r\n") {
					q = conn.ask(get("/again"))
					ok(server.hear())
				} else {
					server.isClosed()
					q = conn.ask(get("/again"))
					ok(s.acceptLine().hear())
				}
				s.wants(q.answer(), "200", "fine")
			})
		})
	}
}

// Every prefix of a response is incomplete.
func TestResponsesCutAtEachByte(t *testing.T) {
	text := "HTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		for n := range len(text) {
			q := s.ask(get(fmt.Sprintf("/%d", n)))
			server := s.acceptLine()
			if heard := server.hear(); heard.request().path != fmt.Sprintf("/%d", n) {
				s.Fatalf("%d bytes: the server hears %v", n, heard.request())
			}
			server.say(text[:n])
			server.Close()
			if n == 0 { // a new connection that ends is tried again
				server = s.acceptLine()
				server.hear()
				server.Close()
			}
			if m := q.answer(); m.whole && m.status != "502" {
				s.Fatalf("%d bytes: the client has got %v", n, m)
			}
		}
		s.none()
	})
}

// malformedAnswers are what a server over HTTP/2 says, and what the client gets.
var malformedAnswers = []struct {
	name string
	says func(q *linkHeard)
	want string
	all  bool // the connection ends
}{
	{"no status", func(q *linkHeard) { q.headers(q.id, true, fieldsOf("a", "b")) }, "502", false},
	{"an empty head", func(q *linkHeard) { q.headers(q.id, true, nil) }, "502", false},
	{"two statuses", func(q *linkHeard) { q.headers(q.id, true, fieldsOf(":status", "200", ":status", "200")) }, "502", false},
	{"a status behind a field", func(q *linkHeard) { q.headers(q.id, true, fieldsOf("a", "b", ":status", "200")) }, "502", false},
	{"an unknown pseudo-field", func(q *linkHeard) { q.headers(q.id, true, fieldsOf(":status", "200", ":a", "b")) }, "502", false},
	{"a pseudo-field of requests", func(q *linkHeard) { q.headers(q.id, true, fieldsOf(":status", "200", ":path", "/")) }, "502", false},
	{"a status of two digits", func(q *linkHeard) { q.head(true, "20") }, "502", false},
	{"a status of four digits", func(q *linkHeard) { q.head(true, "2000") }, "502", false},
	{"a status with letters", func(q *linkHeard) { q.head(true, "2xx") }, "502", false},
	{"a status with CRLF", func(q *linkHeard) { q.head(true, "200\r\nx: y") }, "502", false},
	{"connection", func(q *linkHeard) { q.head(true, "200", "connection", "close") }, "502", false},
	{"transfer-encoding", func(q *linkHeard) { q.head(true, "200", "transfer-encoding", "chunked") }, "502", false},
	{"keep-alive", func(q *linkHeard) { q.head(true, "200", "keep-alive", "timeout=5") }, "502", false},
	{"upgrade", func(q *linkHeard) { q.head(true, "200", "upgrade", "h2c") }, "502", false},
	{"an upper case name", func(q *linkHeard) { q.head(true, "200", "X-A", "b") }, "502", false},
	{"a name with a space", func(q *linkHeard) { q.head(true, "200", "x a", "b") }, "502", false},
	{"a name with CRLF", func(q *linkHeard) { q.head(true, "200", "x\r\ny", "b") }, "502", false},
	{"an empty name", func(q *linkHeard) { q.head(true, "200", "", "b") }, "502", false},
	{"a name with a colon", func(q *linkHeard) { q.head(true, "200", "a:b", "c") }, "502", false},
	{"a value with CRLF", func(q *linkHeard) { q.head(true, "200", "x", "a\r\ny: z") }, "502", false},
	{"a value with LF", func(q *linkHeard) { q.head(true, "200", "x", "a\ny") }, "502", false},
	{"a value with CR", func(q *linkHeard) { q.head(true, "200", "x", "a\ry") }, "502", false},
	{"a value with NUL", func(q *linkHeard) { q.head(true, "200", "x", "a\x00y") }, "502", false},
	{"a value that begins with a space", func(q *linkHeard) { q.head(true, "200", "x", " a") }, "*", false},
	{"two lengths", func(q *linkHeard) {
		q.head(false, "200", "content-length", "1", "content-length", "2")
		q.data("ab", true)
	}, "502", false},
	{"a bad length", func(q *linkHeard) { q.head(false, "200", "content-length", "+2"); q.data("ab", true) }, "502", false},
	{"a length without content", func(q *linkHeard) { q.head(true, "200", "content-length", "2") }, "502", false},
	{"less content than its length", func(q *linkHeard) { q.head(false, "200", "content-length", "3"); q.data("ab", true) }, "cut", false},
	{"more content than its length", func(q *linkHeard) { q.head(false, "200", "content-length", "1"); q.data("ab", true) }, "cut", false},
	{"trailers before the length", func(q *linkHeard) {
		q.head(false, "200", "content-length", "3")
		q.data("ab", false)
		q.trailers("x", "y")
	}, "cut", false},
	{"content without a head", func(q *linkHeard) { q.data("ab", true) }, "502", false},
	{"204 with content", func(q *linkHeard) { q.head(false, "204"); q.data("ab", true) }, "204", false},
	{"304 with content", func(q *linkHeard) { q.head(false, "304"); q.data("ab", true) }, "304", false},
	{"trailers with a pseudo-field", func(q *linkHeard) {
		q.head(false, "200")
		q.data("ab", false)
		q.trailers(":status", "200")
	}, "cut", false},
	{"trailers with CRLF", func(q *linkHeard) {
		q.head(false, "200")
		q.data("ab", false)
		q.trailers("x", "a\r\nb: c")
	}, "cut", false},
	{"trailers with connection", func(q *linkHeard) {
		q.head(false, "200")
		q.data("ab", false)
		q.trailers("connection", "close")
	}, "cut", false},
	{"trailers that do not end", func(q *linkHeard) {
		q.head(false, "200")
		q.data("ab", false)
		q.headers(q.id, false, fieldsOf("x", "y"))
	}, "cut", false},
	{"a second final head", func(q *linkHeard) {
		q.head(false, "200")
		q.headers(q.id, true, fieldsOf(":status", "200"))
	}, "cut", false},
	{"a reset", func(q *linkHeard) { q.reset(q.id, http2.ErrCodeInternal) }, "502", false},
	{"a reset behind the head", func(q *linkHeard) { q.head(false, "200"); q.reset(q.id, http2.ErrCodeInternal) }, "cut", false},
	{"a reset with CANCEL", func(q *linkHeard) { q.head(false, "200"); q.data("ab", false); q.reset(q.id, http2.ErrCodeCancel) }, "cut", false},
	{"a head that is too large", func(q *linkHeard) { q.head(true, "200", "x", strings.Repeat("a", 100_000)) }, "502", false},
	{"too many fields", func(q *linkHeard) { q.headers(q.id, true, append(fieldsOf(":status", "200"), make20000()...)) }, "502", false},
	{"PUSH_PROMISE", func(q *linkHeard) {
		q.write(func(f *http2.Framer) {
			_ = f.WritePushPromise(http2.PushPromiseParam{StreamID: q.id, PromiseID: 2, EndHeaders: true, BlockFragment: q.encode(requestFields(get("/"), "http"))})
		})
	}, "502", true},
	{"a frame on a stream that is idle", func(q *linkHeard) { q.link.data(99, "ab", true) }, "502", true},
	{"a compression error", func(q *linkHeard) {
		q.write(func(f *http2.Framer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: q.id, EndStream: true, EndHeaders: true, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff}})
		})
	}, "502", true},
	{"a frame that is too large", func(q *linkHeard) { q.raw(append([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}, make([]byte, 70000)...)) }, "502", true},
	{"bytes that are no frames", func(q *linkHeard) { q.raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, "502", true},
	{"a window that overflows", func(q *linkHeard) { q.write(func(f *http2.Framer) { _ = f.WriteWindowUpdate(q.id, 1<<31-1) }) }, "502", false},
	{"a WINDOW_UPDATE of 0", func(q *linkHeard) { q.write(func(f *http2.Framer) { _ = f.WriteWindowUpdate(q.id, 0) }) }, "502", false},
}

func make20000() (fields []field) {
	for range 20_000 {
		fields = append(fields, field{"x", "y"})
	}
	return fields
}

// Rules 12 to 16: malformed responses over HTTP/2. Others on the same connection are not harmed by those of a stream.
func TestMalformedAnswers(t *testing.T) {
	for _, c := range malformedAnswers {
		t.Run(c.name, func(t *testing.T) {
			over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
				other := s.ask(get("/other"))
				conn := s.accept()
				unharmed := conn.hear()
				q := s.ask(get("/"))
				server := conn.hear().(*linkHeard)
				if server.request().path != "/" {
					s.Fatalf("the server hears %v", server.request())
				}
				c.says(server)
				s.checkMalformed(q.answer(), c.want)
				if c.all {
					conn.ends()
					return
				}
				ok(unharmed)
				s.wants(other.answer(), "200", "fine")
				last := s.ask(get("/last"))
				ok(conn.hear())
				s.wants(last.answer(), "200", "fine")
				s.none()
			})
		})
	}
}

// HEAD over HTTP/2 has no content either.
func TestMalformedAnswersToHEAD(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.ask(request{method: "HEAD", path: "/"})
		conn := s.accept()
		server := conn.hear()
		server.head(true, "200", "content-length", "12")
		m := q.answer()
		s.wants(m, "200", "")
		s.shows(&m.head, "content-length", "12")
		q = s.ask(request{method: "HEAD", path: "/"})
		server = conn.hear()
		server.head(false, "200")
		server.data("evil", true)
		if m := q.answer(); m.content != "" {
			s.Errorf("the client has got %v", m)
		}
	})
}
