//go:build linux

package conformance

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// warm sends a request over a new connection to the server, which is used again by the next.
func (s *site) warm(conn talker) listener {
	s.Helper()
	q := conn.ask(get("/warm"))
	server := s.accept()
	ok(server.hear())
	s.wants(q.answer(), "200", "fine")
	return server
}

// Rule 10: what ends a reused connection before any byte of a response, and whether the request is sent again.
func TestRequestsOnReusedConnections(t *testing.T) {
	for _, c := range []struct {
		request request
		says    string // before the end
		again   bool
	}{
		{get("/"), "", true},
		{request{method: "HEAD", path: "/"}, "", true},
		{request{method: "OPTIONS", path: "/"}, "", true},
		{request{method: "DELETE", path: "/"}, "", true},
		{request{method: "PUT", path: "/", content: "content"}, "", true},
		{request{method: "PUT", path: "/", content: strings.Repeat("x", 60_000)}, "", true},
		{request{method: "PUT", path: "/", content: strings.Repeat("x", 70_000)}, "", false},
		{request{method: "PUT", path: "/", content: "content", trailers: fieldsOf("x-a", "b")}, "", true},
		{post("/", "content"), "", false},
		{request{method: "POST", path: "/"}, "", false},
		{request{method: "PATCH", path: "/", content: "content"}, "", false},
		{request{method: "FOO", path: "/"}, "", false},
		{get("/"), "H", false},
		{get("/"), "HTTP/1.1 200 OK\r\nContent-", false},
		{get("/"), "HTTP/1.1 103 Early Hints\r\n\r\n", false},
		{get("/"), "\r\n", false},
	} {
		name := fmt.Sprintf("%s %d bytes behind %q", c.request.method, len(c.request.content), c.says)
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			over(t, []transport{h1, h2c}, []transport{h1}, options{}, func(s *site) {
				conn := s.dial()
				server := s.warm(conn)
				if s.in.isHTTP2() && len(c.request.content) > 65535 {
					return // exceeds the window at the start
				}
				q := conn.ask(c.request)
				from := server.hear()
				from.content()
				server.(lineListener).say(c.says)
				server.end()
				if c.again {
					next := s.accept().hear()
					m := next.content()
					if m.method != c.request.method || m.content != c.request.content || !m.whole || len(m.trailers) != len(c.request.trailers) {
						s.Errorf("the server hears %v", m)
					}
					if c.request.method == "HEAD" {
						next.head(true, "200")
					} else {
						ok(next)
					}
					m = q.answer()
					s.wants(m, "200", "*")
					s.ended(gateway.OK, gateway.OK)
					return
				}
				s.wants(q.answer(), "502", "*")
				s.none()
				if c.says != "\r\n" {
					s.ended(gateway.OK, gateway.UpstreamEOF)
				}
			})
		})
	}
}

// The same for HTTP/2: the connection ends before any byte of a response.
func TestRequestsOnEndingLinks(t *testing.T) {
	for _, c := range []struct {
		request request
		again   bool
	}{{get("/"), true}, {request{method: "PUT", path: "/", content: "content"}, true}, {post("/", "content"), false}} {
		t.Run(c.request.method, func(t *testing.T) {
			over(t, []transport{h1, h2c}, []transport{h2c, h2}, options{}, func(s *site) {
				conn := s.dial()
				server := s.warm(conn)
				q := conn.ask(c.request)
				server.hear().content()
				server.end()
				if !c.again {
					s.wants(q.answer(), "502", "*")
					s.none()
					return
				}
				next := s.accept().hear()
				if m := next.content(); m.content != c.request.content || !m.whole {
					s.Errorf("the server hears %v", m)
				}
				ok(next)
				s.wants(q.answer(), "200", "fine")
			})
		})
	}
}

// Refused streams, and those beyond GOAWAY's last one, are sent again whatever the method.
func TestUnprocessedRequests(t *testing.T) {
	large := strings.Repeat("x", 40_000)
	for _, r := range []request{get("/"), post("/", "content"), post("/", large), {method: "POST", path: "/", content: "content", trailers: fieldsOf("a", "b")}} {
		t.Run(fmt.Sprintf("refused %s %d", r.method, len(r.content)), func(t *testing.T) {
			over(t, []transport{h1, h2c}, []transport{h2c, h2}, options{}, func(s *site) {
				q := s.ask(r)
				conn := s.accept()
				from := conn.hear().(*linkHeard)
				from.content()
				from.reset(from.id, http2.ErrCodeRefusedStream)
				next := conn.hear()
				if m := next.content(); m.method != r.method || m.content != r.content || !m.whole || len(m.trailers) != len(r.trailers) {
					s.Errorf("the server hears %v", m)
				}
				ok(next)
				s.wants(q.answer(), "200", "fine")
				s.ended(gateway.OK)
			})
		})
		t.Run(fmt.Sprintf("beyond GOAWAY %s %d", r.method, len(r.content)), func(t *testing.T) {
			over(t, []transport{h1, h2c}, []transport{h2c, h2}, options{}, func(s *site) {
				slow := s.ask(get("/slow"))
				conn := s.accept()
				first := conn.hear()
				q := s.ask(r)
				conn.hear().content()
				linkOf(conn).goaway(first.(*linkHeard).id, http2.ErrCodeNo)
				server := s.accept()
				next := server.hear()
				if m := next.content(); m.method != r.method || m.content != r.content || !m.whole {
					s.Errorf("the server hears %v", m)
				}
				ok(next)
				s.wants(q.answer(), "200", "fine")
				ok(first) // which goes on
				s.wants(slow.answer(), "200", "fine")
				conn.ends()
				s.ended(gateway.OK, gateway.OK)
			})
		})
	}
	// Too much content was sent.
	over(t, []transport{h1}, []transport{h2c}, options{}, func(s *site) {
		q := s.ask(post("/", strings.Repeat("x", 100_000)))
		conn := s.accept()
		from := conn.hear().(*linkHeard)
		from.content()
		from.reset(from.id, http2.ErrCodeRefusedStream)
		s.wants(q.answer(), "502", "*")
		s.ended(gateway.UpstreamReset)
	})
	// Nothing is sent again behind a byte of a response.
	over(t, []transport{h1, h2c}, []transport{h2c}, options{}, func(s *site) {
		q := s.ask(get("/"))
		from := s.accept().hear().(*linkHeard)
		from.head(false, "200")
		from.reset(from.id, http2.ErrCodeRefusedStream)
		if m := q.answer(); m.whole && m.status != "502" {
			s.Errorf("the client has got %v", m)
		}
		s.none()
	})
	// A stream within GOAWAY's last one may have been processed.
	over(t, []transport{h1, h2c}, []transport{h2c}, options{}, func(s *site) {
		q := s.ask(post("/", "content"))
		conn := s.accept()
		from := conn.hear().(*linkHeard)
		from.content()
		linkOf(conn).goaway(from.id, http2.ErrCodeNo)
		conn.end()
		s.wants(q.answer(), "502", "*")
		s.none()
	})
}

// A server that refuses every stream gets a few requests, and the client an error.
func TestServersThatRefuseAll(t *testing.T) {
	over(t, []transport{h1, h2c}, []transport{h2c}, options{}, func(s *site) {
		q := s.ask(get("/"))
		conn := s.accept()
		done := make(chan int)
		go func() {
			n := 0
			for {
				f := <-linkOf(conn).frames
				if f.err != nil {
					done <- n
					return
				}
				if f.kind == http2.FrameHeaders {
					n++
					linkOf(conn).reset(f.stream, http2.ErrCodeRefusedStream)
				}
			}
		}()
		if m := q.answer(); m.status != "502" && m.status != "503" {
			s.Errorf("the client has got %v", m)
		}
		conn.end()
		if n := <-done; n < 2 || n > 10 {
			s.Errorf("the server has got %d requests", n)
		}
	})
}

// Retries stay within a fifth of the requests, and three at least.
func TestBudgetOfRetries(t *testing.T) {
	over(t, []transport{h1}, []transport{h1}, options{gateway: gateway.Options{Retries: -1}}, func(s *site) {
		heard := make(chan string, 1000)
		go func() { // each connection answers one request, and ends within the next
			for c := range s.accepted {
				go func() {
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(patience))
					l := &line{t: s, Conn: c}
					for i := range 2 {
						if !l.skipHead() {
							return
						}
						heard <- "x"
						if i == 0 {
							l.say("HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nfine")
						}
					}
				}()
			}
		}()
		conn := s.dial()
		const requests = 100
		bad := 0
		for range requests {
			if m := conn.ask(get("/")).answer(); m.status != "200" {
				bad++
			}
		}
		retries := s.gateway.Counts().Backend.Retries
		if retries > requests/5+3 || retries < 3 || bad == 0 {
			s.Errorf("%d retries for %d requests, of which %d have failed", retries, requests, bad)
		}
	})
}

// skipHead reads a head byte by byte.
func (l *line) skipHead() bool {
	var b [1]byte
	text := ""
	for !strings.HasSuffix(text, "\r\n\r\n") {
		if _, err := l.Read(b[:]); err != nil {
			return false
		}
		text += string(b[:])
	}
	return true
}

// Rule 11: a kept connection that has seen EOF, or bytes that nobody has asked for, is not used.
func TestStaleConnections(t *testing.T) {
	for name, spoil := range map[string]func(l *line){
		"EOF":                 func(l *line) { halfClose(l) },
		"reset":               func(l *line) { _ = l.Conn.(*net.TCPConn).SetLinger(0); l.Close() },
		"a response":          func(l *line) { l.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") },
		"a 408 and EOF":       func(l *line) { l.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"); halfClose(l) },
		"an interim response": func(l *line) { l.say("HTTP/1.1 100 Continue\r\n\r\n") },
		"an empty line":       func(l *line) { l.say("\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			over(t, transports, []transport{h1}, options{}, func(s *site) {
				conn := s.dial()
				server := s.warm(conn).(lineListener)
				spoil(server.line)
				s.eventually(func() string {
					if n := s.gateway.Counts().Backend.Connections; n != 0 {
						return "the connection is still kept"
					}
					return ""
				})
				q := conn.ask(post("/", "content"))
				next := s.accept().hear()
				next.content()
				ok(next)
				s.wants(q.answer(), "200", "fine")
				if name != "reset" {
					server.isClosed()
				}
			})
		})
	}
}

// Bytes that nobody has asked for together with the response before: the next request does not get them.
func TestResponsesOfNobody(t *testing.T) {
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		conn := s.dial()
		for range 20 {
			q := conn.ask(get("/"))
			server := s.acceptLine()
			server.hear()
			server.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			s.wants(q.answer(), "200", "fine")
		}
	})
}

// Connection: close from a server, and HTTP/1.0, end the connection.
func TestConnectionsThatEnd(t *testing.T) {
	for _, says := range []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine", "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine"} {
		over(t, transports, []transport{h1}, options{}, func(s *site) {
			conn := s.dial()
			for range 3 {
				q := conn.ask(get("/"))
				server := s.acceptLine()
				server.hear()
				server.say(says)
				m := q.answer()
				s.wants(m, "200", "fine")
				s.lacks(&m.head, "connection")
				server.isClosed()
			}
		})
	}
}

// Idle HTTP/2 connections get no PINGs.
func TestNoPingsOnIdleLinks(t *testing.T) {
	over(t, []transport{h1}, []transport{h2c}, options{}, func(s *site) {
		conn := s.dial()
		server := s.warm(conn)
		for range 5 {
			q := conn.ask(get("/"))
			ok(server.hear())
			s.wants(q.answer(), "200", "fine")
		}
		if n := linkOf(server).pinged(); n > 0 {
			s.Errorf("%d PINGs", n)
		}
	})
}

// Rule 23: GOAWAY, refused streams and clients that leave are no failures of a peer.
func TestWhatIsNoFailure(t *testing.T) {
	steady := func(t *testing.T) options {
		return options{gateway: gateway.Options{PeerChanged: func(_, peer string, event gateway.PeerEvent, err error) {
			t.Errorf("peer %s: %v, %v", peer, event, err)
		}}}
	}
	over(t, []transport{h1, h2c}, []transport{h2c, h2}, steady(t), func(s *site) {
		conn := s.dial()
		for range 8 {
			q := conn.ask(get("/"))
			server := s.accept()
			from := server.hear().(*linkHeard)
			server.(linkListener).goaway(from.id, http2.ErrCodeNo)
			ok(from)
			s.wants(q.answer(), "200", "fine")
			server.ends()
		}
	})
	over(t, transports, []transport{h2c}, steady(t), func(s *site) {
		first := s.ask(get("/first"))
		server := s.accept()
		ok(server.hear())
		s.wants(first.answer(), "200", "fine")
		for range 8 {
			q := s.ask(get("/"))
			from := server.hear()
			q.leave()
			from.abandoned()
		}
	})
}

func TestCalm(t *testing.T) {
	over(t, []transport{h1, h2c}, []transport{h2c}, options{}, func(s *site) {
		conn := s.dial()
		server := s.warm(conn)
		linkOf(server).goaway(1, http2.ErrCodeEnhanceYourCalm)
		server.end()
		s.eventually(func() string {
			if n := s.gateway.Counts().Backend.Connections; n != 0 {
				return "the connection is still kept"
			}
			return ""
		})
		begin := time.Now()
		q := conn.ask(get("/"))
		next := s.accept()
		waited := time.Since(begin)
		ok(next.hear())
		s.wants(q.answer(), "200", "fine")
		if waited < 20*time.Millisecond {
			s.Errorf("the next connection came after %v", waited)
		}
	})
}
