//go:build linux

package server_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/internal/testport"
)

// limitRequests limits the requests of a client.
func limitRequests(n int) func(*server.Config) {
	return func(c *server.Config) { c.Peers.Requests = n }
}

// waiting is a handler whose requests wait until they are released; /now does not wait.
func waiting(t *testing.T) (handler app.Handler, release func()) {
	promises := make(chan *app.Promise[*app.Response], 1000)
	handler = func(r *app.Request) app.Answer {
		if r.RawPath == "/now" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		promises <- p
		return f
	}
	return handler, func() {
		t.Helper()
		next(t, promises).Resolve(app.Text(200, "released"))
	}
}

// uncounted waits until the server knows no client: each connection and each request is counted off.
func (s *site) uncounted() {
	s.t.Helper()
	eventually(s.t, "nothing is counted", func() bool { return s.Counts().Peers.Known == 0 })
}

// dialFrom connects from an address of this host.
func (s *site) dialFrom(address string) *line {
	s.t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}).Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.over(c)
}

const tooManyRequests = "too many requests of this client are under way, try again in a while"

// A request beyond the limit is answered with 503 and Retry-After, and the next one is served when another has ended.
func TestRequestsOfAClient(t *testing.T) {
	handler, release := waiting(t)
	s := serve(t, handler, limitRequests(2))
	one, two := s.dial(), s.dial2()
	one.say(get("/"))
	two.request(1, "GET", "/", true)
	eventually(t, "both are under way", func() bool { n := s.Counts().ActiveRequests; return n[app.HTTP11] == 1 && n[app.HTTP2] == 1 })

	third := s.dial()
	third.say(get("/now"))
	response := third.status("GET", 503)
	if response.Header.Get("Retry-After") != "1" {
		t.Errorf("the third gets %v", response.Header)
	}
	two.request(3, "GET", "/now", true)
	two.answered(3, "503")
	other := s.dialFrom("127.0.0.2")
	other.say(get("/now"))
	other.hear("GET", 200, "Hello, World!")
	if got := s.Counts().Refused[server.PeerRequests]; got != 2 {
		t.Errorf("%d refusals are counted, want 2", got)
	}
	eventually(t, "a line", func() bool { return s.logs.FilterMessage("too many requests of a client").Len() == 1 })

	release()
	release()
	one.hear("GET", 200, "released")
	third.say(get("/now"))
	third.hear("GET", 200, "Hello, World!")
	two.answered(1, "200")
	for _, l := range []*line{one, two.line, third, other} {
		l.close()
	}
	s.uncounted()
}

// Pipelined requests count one by one, and the connection goes on.
func TestPipelinedRequestsOfAClient(t *testing.T) {
	handler, release := waiting(t)
	s := serve(t, handler, limitRequests(1))
	l := s.dial()
	l.say(get("/") + get("/now") + get("/now"))
	eventually(t, "two are refused", func() bool { return s.Counts().Refused[server.PeerRequests] == 2 })
	release()
	l.hear("GET", 200, "released")
	l.status("GET", 503)
	l.status("GET", 503)
	l.say(get("/now"))
	l.hear("GET", 200, "Hello, World!")
	l.close()
	s.uncounted()
}

// A peer that keeps opening streams beyond the limit is sent away. One that opens all that it may at once is not.
func TestPeerThatKeepsOpeningStreams(t *testing.T) {
	handler, release := waiting(t)
	s := serve(t, handler, limitRequests(1))
	l := s.dial2()
	l.request(1, "GET", "/", true)
	stream := uint32(3)
	refused := func(n int) {
		t.Helper()
		for range n {
			l.request(stream, "GET", "/now", true)
			stream += 2
		}
		l.answered(stream-2, "503")
	}
	refused(249)
	release()
	l.answered(1, "200")
	l.request(stream, "GET", "/", true) // admitted: those in a row begin anew
	stream += 2
	eventually(t, "it is under way", func() bool { return s.Counts().ActiveRequests[app.HTTP2] == 1 })
	refused(250)
	for range 5 {
		l.request(stream, "GET", "/now", true)
		stream += 2
	}
	l.until("GOAWAY", func(frame http2.Frame) bool {
		g, ok := frame.(*http2.GoAwayFrame)
		if ok && (g.ErrCode != http2.ErrCodeEnhanceYourCalm || string(g.DebugData()) != tooManyRequests) {
			t.Errorf("%v %q", g, g.DebugData())
		}
		return ok
	})
	l.over()
	if got := s.Counts(); got.Refused[server.PeerRequests] != 249+255+1 || got.Refused[server.Flood] != 0 {
		t.Errorf("%d requests are refused", got.Refused[server.PeerRequests])
	}
	l.close()
	s.uncounted()
}

// Behind a trusted proxy each client has its own requests, and the proxy has no limit.
func TestRequestsOfClientsBehindAProxy(t *testing.T) {
	handler, release := waiting(t)
	s := serve(t, handler, limitRequests(1), func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Peers.Connections = 1
	})
	l, l2 := s.dial(), s.dial2()
	l.say(get("/", "X-Forwarded-For: 192.0.2.1"))
	l2.request(1, "GET", "/", true, "x-forwarded-for", "192.0.2.2")
	eventually(t, "both are under way", func() bool { n := s.Counts().ActiveRequests; return n[app.HTTP11] == 1 && n[app.HTTP2] == 1 })
	l2.request(3, "GET", "/now", true, "x-forwarded-for", "192.0.2.1")
	l2.answered(3, "503")
	l2.request(5, "GET", "/now", true, "forwarded", "for=192.0.2.2")
	l2.answered(5, "503")
	l2.request(7, "GET", "/now", true, "x-forwarded-for", "192.0.2.3")
	l2.answered(7, "200")
	for stream := uint32(9); stream < 15; stream += 2 { // of the proxy itself
		l2.request(stream, "GET", "/", true)
	}
	eventually(t, "they are under way", func() bool { return s.Counts().ActiveRequests[app.HTTP2] == 4 })
	for range 5 {
		release()
	}
	l.status("GET", 200)
	l2.answered(13, "200")
	s.uncounted()
}

// A client behind a trusted proxy that exceeds its limit time and again does not end the proxy's connection, which others
// share.
func TestGreedyClientBehindAProxy(t *testing.T) {
	handler, release := waiting(t)
	s := serve(t, handler, limitRequests(1), func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	l := s.dial2()
	l.request(1, "GET", "/", true, "x-forwarded-for", "192.0.2.1")
	eventually(t, "it is under way", func() bool { return s.Counts().ActiveRequests[app.HTTP2] == 1 })
	stream := uint32(3)
	for range 3 {
		for range 200 {
			l.request(stream, "GET", "/now", true, "x-forwarded-for", "192.0.2.1")
			stream += 2
		}
		l.answered(stream-2, "503")
	}
	l.request(stream, "GET", "/now", true, "x-forwarded-for", "192.0.2.2")
	l.answered(stream, "200")
	release()
	l.answered(1, "200")
	if got := s.Counts().Refused[server.PeerRequests]; got != 600 {
		t.Errorf("%d requests are refused, want 600", got)
	}
	s.uncounted()
}

// However a request ends, it is counted off once.
func TestRequestsAreCountedOff(t *testing.T) {
	for transport, with := range peers {
		for _, e := range endings {
			if e.only != "" && e.only != transport {
				continue
			}
			t.Run(transport+"/"+e.name, func(t *testing.T) {
				w, begun, release := newWatcher(), make(chan struct{}, 1), make(chan struct{})
				options := []func(*server.Config){w.observed, limitRequests(1)}
				if e.options != nil {
					options = append(options, e.options)
				}
				for _, option := range with.options {
					options = append(options, option(t))
				}
				gone := forwarding(t, "http://"+testport.Address(t), gateway.Options{})
				silent := behind(t, "", gateway.Options{Timeout: soon})
				broken := behind(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", gateway.Options{})
				s := serve(t, troubles(begun, release, gone, silent, broken), options...)
				s.failed = true
				t.Cleanup(func() { close(release) })
				p := with.dial(s)
				e.act(p, s, begun)
				w.next(t, w.finished)
				p.line.Close()
				eventually(t, "the connections have left", func() bool { return s.Stats().Connections == 0 })
				s.uncounted()
			})
		}
	}
}

// A WebSocket, a tunnel, an event stream and a hijacked connection are one request until they end.
func TestLastingRequestsOfAClient(t *testing.T) {
	endpoint := &websocket.Endpoint{}
	behind := serve(t, func(*app.Request) app.Answer { return app.Ready(websocket.Accept(endpoint)) })
	through := forwarding(t, "http://"+behind.addr, gateway.Options{})
	hijacking := nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_, _ = c.Read(make([]byte, 1))
		c.Close()
	}))
	handler := func(r *app.Request) app.Answer {
		switch {
		case r.RawPath == "/now":
			return hello(r)
		case r.RawPath == "/events":
			return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
				s.Send(events.Event{Data: "begun"})
				return s.Closed()
			}))
		case r.RawPath == "/hijacked":
			return hijacking(r)
		case strings.HasPrefix(r.Target, "/tunnel"):
			return through(r)
		}
		return app.Ready(websocket.Accept(endpoint))
	}
	over1 := func(request string) func(*site) *line {
		return func(s *site) *line {
			l := s.dial()
			l.say(request)
			_, _ = l.r.Peek(1)
			return l
		}
	}
	over2 := func(path string) func(*site) *line {
		return func(s *site) *line {
			l := s.dial2()
			l.request(1, "CONNECT", path, false, ":protocol", "websocket", "sec-websocket-version", "13")
			l.answered(1, "200")
			return l.line
		}
	}
	closes := func(l *line) {
		l.say("\x88\x82\x00\x00\x00\x00\x03\xe8")
		_, _ = io.Copy(io.Discard, l.r)
	}
	resets := func(l *line) {
		l2 := newLine2(l)
		l2.must(l2.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	}
	tunnel := strings.Replace(openSocket, "/socket", "/tunnel", 1)
	for _, c := range []struct {
		name  string
		open  func(*site) *line
		leave func(*line)
	}{
		{"WebSocket whose client leaves", over1(openSocket), (*line).reset},
		{"WebSocket that is closed", over1(openSocket), closes},
		{"malformed WebSocket", over1(openSocket), func(l *line) { l.say("\xff\xff\xff") }},
		{"WebSocket over HTTP/2 whose client leaves", over2("/socket"), (*line).reset},
		{"WebSocket over HTTP/2 that is reset", over2("/socket"), resets},
		{"tunnel", over1(tunnel), (*line).reset},
		{"tunnel whose backend closes", over1(tunnel), func(l *line) { closes(l); l.close() }},
		{"tunnel over HTTP/2", over2("/tunnel"), (*line).reset},
		{"tunnel over HTTP/2 that is reset", over2("/tunnel"), resets},
		{"event stream", over1(get("/events")), (*line).reset},
		{"hijacked connection", over1(get("/hijacked")), func(l *line) {
			l.say("x")
			_, _ = io.Copy(io.Discard, l.r)
		}},
		{"hijacked connection whose client leaves", over1(get("/hijacked")), (*line).reset},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, handler, limitRequests(1))
			lasting := c.open(s)
			l := s.dial()
			l.say(get("/now"))
			l.status("GET", 503)
			c.leave(lasting)
			eventually(t, "it is counted off", func() bool {
				l.say(get("/now"))
				response, err := http.ReadResponse(l.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				return response.StatusCode == 200
			})
			lasting.Close()
			l.close()
			s.uncounted()
		})
	}
}

// A WebSocket whose application stalls the loop, as it opens and as it ends, is counted off once.
func TestStalledWebSocketsOfAClient(t *testing.T) {
	for name, endpoint := range map[string]func(release <-chan struct{}) *websocket.Endpoint{
		"opening": func(release <-chan struct{}) *websocket.Endpoint {
			return &websocket.Endpoint{Open: func(*websocket.Socket, *app.Request) { <-release }}
		},
		"ending": func(release <-chan struct{}) *websocket.Endpoint {
			return &websocket.Endpoint{Close: func(*websocket.Socket, websocket.Closed) { <-release }}
		},
	} {
		for transport, open := range map[string]func(*site) *line{
			app.HTTP11: func(s *site) *line {
				l := s.dial()
				l.say(openSocket)
				return l
			},
			app.HTTP2: func(s *site) *line {
				l := s.dial2()
				l.request(1, "CONNECT", "/socket", false, ":protocol", "websocket", "sec-websocket-version", "13")
				return l.line
			},
		} {
			t.Run(name+" over "+transport, func(t *testing.T) {
				release := make(chan struct{})
				e := endpoint(release)
				s := serve(t, func(*app.Request) app.Answer { return app.Ready(websocket.Accept(e)) }, limitRequests(1), brisk)
				s.failed = true
				t.Cleanup(func() { close(release) })
				l := open(s)
				eventually(t, "it is open", func() bool { return s.Counts().Sockets[transport] == 1 })
				l.close()
				eventually(t, "the connection has left", func() bool { return s.Stats().Connections == 0 })
				s.uncounted()
			})
		}
	}
}

// Content that still comes behind a refusal harms nobody.
func TestRefusedUploadsOfAClient(t *testing.T) {
	handler, release := waiting(t)
	s := serve(t, handler, limitRequests(1))
	s.dial().say(get("/"))
	eventually(t, "it is under way", func() bool { return s.Counts().ActiveRequests[app.HTTP11] == 1 })
	for version, client := range clients {
		response, err := client(s).Post(s.url("/"), "text/plain", bytes.NewReader(make([]byte, 1<<20)))
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		response.Body.Close()
		if response.StatusCode != 503 {
			t.Errorf("%s: %d", version, response.StatusCode)
		}
	}
	release()
}
