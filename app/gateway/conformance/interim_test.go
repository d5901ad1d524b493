//go:build linux

package conformance

import (
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// interims returns the statuses of the interim responses of m.
func interims(m *message) string {
	var all []string
	for _, h := range m.interim {
		all = append(all, h.status)
	}
	return strings.Join(all, " ")
}

// Rule 7: each 1xx is passed on, with its fields.
func TestInterimResponses(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear()
		server.interim("103", "link", "</a>", "via", "1.1 x")
		server.interim("102")
		server.interim("103", "link", "</b>", "content-length", "9")
		server.interim("199", "x-a", "b")
		ok(server)
		m := q.answer()
		s.wants(m, "200", "fine")
		if got := interims(m); got != "103 102 103 199" {
			s.Fatalf("interim responses: %s", got)
		}
		s.shows(&m.interim[0], "link", "</a>")
		s.shows(&m.interim[2], "link", "</b>")
		s.lacks(&m.interim[2], "content-length", "transfer-encoding")
		s.ended(gateway.OK)
	})
}

// Interim responses before an error, and before a response that breaks off, are no response.
func TestInterimResponsesAlone(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear()
		server.interim("103", "link", "</a>")
		server.breakOff()
		m := q.answer()
		s.wants(m, "502", "*")
		if got := interims(m); got != "103" {
			s.Errorf("interim responses: %q", got)
		}
		s.none()
	})
}

// Interim responses are bounded in number.
func TestInterimFloods(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear()
		for range 3000 {
			server.interim("103", "link", "</a>")
		}
		s.wants(q.answer(), "502", "*")
		s.ended(gateway.UpstreamMalformed)
	})
}

// A 100 that nobody has asked for is no answer, and a 101 neither.
func TestUnexpectedInterimResponses(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(post("/", "content"))
		server := s.accept().hear()
		server.content()
		server.interim("100")
		ok(server)
		m := q.answer()
		s.wants(m, "200", "fine")
	})
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear()
		server.interim("101", "upgrade", "websocket", "connection", "upgrade")
		s.wants(q.answer(), "502", "*")
		s.ended(gateway.UpstreamMalformed)
	})
	over(t, transports, []transport{h2c}, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear()
		server.interim("101")
		s.wants(q.answer(), "502", "*")
		s.ended(gateway.UpstreamMalformed)
	})
}

// An interim response that ends the stream, or has content behind it, is malformed (RFC 9113 section 8.1).
func TestInterimResponsesThatEnd(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear().(*linkHeard)
		server.headers(server.id, true, []field{{":status", "103"}})
		s.wants(q.answer(), "502", "*")
		s.ended(gateway.UpstreamMalformed)
	})
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept().hear().(*linkHeard)
		server.interim("103")
		server.data("content", false)
		s.wants(q.answer(), "502", "*")
		s.ended(gateway.UpstreamMalformed)
	})
}

// HTTP/1.0 gets no interim responses, no chunks, and the end of the connection.
func TestOldClients(t *testing.T) {
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		client := s.dialLine()
		client.say("GET / HTTP/1.0\r\nHost: a\r\nConnection: X-A\r\nX-A: b\r\nExpect: 100-continue\r\n\r\n")
		server := s.accept().hear()
		s.lacks(server.request(), "x-a", "expect")
		s.shows(server.request(), "via", "1.0 gw")
		server.interim("103", "link", "</a>")
		server.head(false, "200")
		server.data("fine", false)
		server.trailers("x-a", "b")
		m := (&lineAsked{line: client, method: "GET"}).answer()
		s.wants(m, "200", "fine")
		if len(m.interim) > 0 || m.has("Transfer-Encoding") {
			s.Errorf("the client has got %v, %v", m.interim, m)
		}
		client.isClosed()
	})
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		client := s.dialLine()
		client.say("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
		server := s.accept().hear()
		ok(server)
		q := &lineAsked{line: client, method: "GET"}
		s.wants(q.answer(), "200", "fine")
		// Without Host.
		client = s.dialLine()
		client.say("GET / HTTP/1.0\r\n\r\n")
	})
	// What breaks off over HTTP/1.0 has a length, or is cut by a reset.
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		client := s.dialLine()
		client.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
		server := s.accept().hear()
		server.head(false, "200")
		server.data("part", false)
		q := &lineAsked{line: client, method: "GET"}
		q.head()
		server.breakOff()
		if m := q.answer(); m.whole {
			s.Errorf("the client has got %v", m)
		}
	})
}

// expecting is a request that waits for 100 (Continue).
func expecting() request {
	return request{method: "POST", path: "/", fields: fieldsOf("expect", "100-continue"), open: true, size: 7}
}

// Rule 8: an expectation is passed on, and waits for the server's word.
func TestExpectations(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(expecting())
		server := s.accept().hear()
		s.shows(server.request(), "expect", "100-continue")
		server.interim("100")
		s.continues(q)
		q.more("content", true)
		if m := server.content(); m.content != "content" || !m.whole {
			s.Errorf("the server has got %v", m)
		}
		ok(server)
		m := q.answer()
		s.wants(m, "200", "fine")
		if got := interims(m); got != "" && got != "100" {
			s.Errorf("interim responses: %s", got)
		}
		s.ended(gateway.OK)
	})
}

// continues waits for the client's 100.
func (s *site) continues(q asked) {
	s.Helper()
	if l, ok := q.(*lineAsked); ok {
		if h, _ := l.readHead(); h.status != "100" {
			s.Errorf("%v in place of 100", h)
		}
		return
	}
	l := q.(*linkAsked)
	if f := l.of(l.id); splitFields(f.fields).status != "100" {
		s.Errorf("%v in place of 100", f)
	}
}

// A server that says nothing gets the content after a second.
func TestExpectationsThatAreIgnored(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		begin := time.Now()
		q := s.ask(expecting())
		server := s.accept().hear()
		s.continues(q)
		if passed := time.Since(begin); passed < 500*time.Millisecond || passed > patience/4 {
			s.Errorf("the client continues after %v", passed)
		}
		q.more("content", true)
		if m := server.content(); m.content != "content" || !m.whole {
			s.Errorf("the server has got %v", m)
		}
		ok(server)
		s.wants(q.answer(), "200", "fine")
	})
}

// A client that sends its content at once is not held to its expectation.
func TestExpectationsOfTheHasty(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(expecting())
		q.more("content", true)
		server := s.accept().hear()
		server.interim("100")
		if m := server.content(); m.content != "content" || !m.whole {
			s.Errorf("the server has got %v", m)
		}
		ok(server)
		s.wants(q.answer(), "200", "fine")
		s.ended(gateway.OK)
	})
}

// A final answer in place of the 100 ends the upload: the client is not asked for its content.
func TestRefusedExpectations(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(expecting())
		conn := s.accept()
		server := conn.hear()
		says(server, "417", "no")
		m := q.answer()
		s.wants(m, "417", "no")
		if got := interims(m); got != "" {
			s.Errorf("interim responses: %s", got)
		}
		if s.out.isHTTP2() {
			server.abandoned()
		} else {
			conn.ends()
		}
		s.ended(gateway.OK)
	})
}

func TestOtherExpectations(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		s.wants(s.ask(post("/", "content", "expect", "payment")).answer(), "417", "*")
		s.none()
		if s.in.isHTTP2() { // over HTTP/1.1 the server itself answers
			s.ended(gateway.ClientMalformed)
		}
	})
	// Without content there is nothing to wait for.
	pairs(t, options{}, func(s *site) {
		q := s.ask(get("/", "expect", "100-continue"))
		server := s.accept().hear()
		ok(server)
		s.wants(q.answer(), "200", "fine")
	})
}

// Rule 9: a final response before the end of the request is delivered whole; then the upload stops.
func TestEarlyResponses(t *testing.T) {
	for _, length := range []bool{false, true} {
		pairs(t, options{}, func(s *site) {
			r := request{method: "POST", path: "/", content: "begin", open: true}
			if length {
				r.size = 1 << 30
			}
			q := s.ask(r)
			conn := s.accept()
			server := conn.hear()
			content := strings.Repeat("too much ", 4000)
			server.head(false, "413", "content-length", "36000")
			server.data(content[:18000], false)
			if m := q.head(); m.status != "413" {
				s.Fatalf("the client has got %v", m)
			}
			q.more(strings.Repeat("more", 1000), false)
			server.data(content[18000:], true)
			s.wants(q.answer(), "413", content)
			if s.out.isHTTP2() {
				server.abandoned()
			} else {
				conn.(lineListener).closesAfterContent()
			}
			s.ended(gateway.OK)
			s.uploadStops(q)
		})
	}
}

// closesAfterContent reads until the gateway ends the connection.
func (l *line) closesAfterContent() {
	l.t.Helper()
	for p := make([]byte, 65536); ; {
		if _, err := l.Read(p); err != nil {
			if isTimeout(err) {
				l.t.Error("the connection goes on")
			}
			return
		}
	}
}

// uploadStops fails the test unless the gateway tells the client to send no more of its request.
func (s *site) uploadStops(q asked) {
	s.Helper()
	if l, ok := q.(*linkAsked); ok {
		if f := l.of(l.id); f.kind != http2.FrameRSTStream || f.code != http2.ErrCodeNo {
			s.Errorf("%v in place of RST_STREAM with NO_ERROR", f)
		}
		return
	}
	l := q.(*lineAsked)
	s.shows(&l.read.head, "Connection", "close")
	l.closesAfterContent()
}

// An early response whose upload goes on is not cut if the server reads on.
func TestEarlyResponsesWithoutReset(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "begin", open: true})
		server := s.accept().hear()
		server.head(false, "200")
		server.data("first ", false)
		if m := q.head(); m.status != "200" {
			s.Fatalf("the client has got %v", m)
		}
		q.more("more", true)
		if m := server.content(); m.content != "beginmore" || !m.whole {
			s.Errorf("the server has got %v", m)
		}
		server.data("last", true)
		s.wants(q.answer(), "200", "first last")
		s.ended(gateway.OK)
	})
}

// The server's RST_STREAM with NO_ERROR behind its response is no error (RFC 9113 section 8.1).
func TestResetBehindAResponse(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "begin", open: true})
		server := s.accept().hear().(*linkHeard)
		says(server, "200", "fine")
		server.reset(server.id, http2.ErrCodeNo)
		s.wants(q.answer(), "200", "fine")
		s.ended(gateway.OK)
		s.uploadStops(q)
	})
	// But one in a response is.
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "begin", open: true})
		server := s.accept().hear().(*linkHeard)
		server.head(false, "200")
		server.data("part", false)
		server.reset(server.id, http2.ErrCodeNo)
		if m := q.answer(); m.whole {
			s.Errorf("the client has got %v", m)
		}
		s.ended(gateway.UpstreamReset)
	})
}

// A server over HTTP/1.1 that answers early and closes: its response arrives although writing fails.
func TestEarlyResponsesThatClose(t *testing.T) {
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: strings.Repeat("x", 60_000), open: true})
		server := s.accept().hear()
		says(server, "413", "too much", "connection", "close")
		_ = server.(*lineHeard).Conn.(*net.TCPConn).CloseWrite()
		s.wants(q.answer(), "413", "too much")
		s.ended(gateway.OK)
	})
}
