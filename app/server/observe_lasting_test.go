//go:build linux

package server_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

const openSocket = "GET /socket?a=b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// next returns what comes next from one of the channels of a watcher.
func (w *watcher) next(t *testing.T, from <-chan told) told {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatal("nothing is told")
		return told{}
	}
}

// Observers are told of a request that lasts when it opens and when it ends.
func TestLastingRequests(t *testing.T) {
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
	for _, l := range []struct {
		name, request, path string
		status              int
		end                 string
		leave               func(l *line)
	}{
		{"WebSocket whose client leaves", openSocket, "/socket", 101, "CU", (*line).reset},
		{"WebSocket that is closed", openSocket, "/socket", 101, "--", func(l *line) {
			l.say("\x88\x82\x00\x00\x00\x00\x03\xe8")
			_, _ = io.Copy(io.Discard, l.r)
		}},
		{"malformed WebSocket", openSocket, "/socket", 101, "MU", func(l *line) { l.say("\xff\xff\xff") }},
		{"tunnel", strings.Replace(openSocket, "/socket", "/tunnel", 1), "/tunnel", 101, "CU", (*line).reset},
		{"event stream", get("/events"), "/events", 200, "CD", (*line).reset},
		{"hijacked connection", get("/hijacked"), "/hijacked", 0, "--", func(l *line) {
			l.say("x")
			_, _ = io.Copy(io.Discard, l.r)
		}},
	} {
		t.Run(l.name, func(t *testing.T) {
			w := newWatcher()
			s := serve(t, handler, w.observed)
			peer := s.dial()
			peer.say(l.request)
			opened := w.next(t, w.opened)
			if opened.Event != server.EventOpen || opened.Path != l.path || opened.Fields == 0 {
				t.Errorf("opened %+v", opened)
			}
			if l.status != 0 {
				_, _ = peer.r.Peek(1)
			}
			requests, stalled := s.Requests(server.RequestQuery{})
			if len(requests) != 1 || requests[0].Target != opened.Target || requests[0].Event != server.EventOpen || len(stalled) > 0 {
				t.Errorf("in flight: %+v, stalled loops: %v", requests, stalled)
			}
			l.leave(peer)
			closed := w.next(t, w.finished)
			if closed.Event != server.EventClose || closed.Path != l.path || closed.Authority != "a" || closed.Status != l.status ||
				closed.Target != opened.Target || closed.Conn.Number != opened.Conn.Number {
				t.Errorf("closed %+v", closed)
			}
			if got := closed.End.String(); got != l.end {
				t.Errorf("ended %s, want %s", got, l.end)
			}
			eventually(t, "nothing in flight", func() bool {
				requests, _ := s.Requests(server.RequestQuery{})
				return len(requests) == 0
			})
		})
	}
}

// Observers are told of the end of a WebSocket whose Close keeps the loop until the watchdog takes it.
func TestLastingRequestWhoseEndStalls(t *testing.T) {
	release := make(chan struct{})
	endpoint := &websocket.Endpoint{Close: func(*websocket.Socket, websocket.Closed) { <-release }}
	w := newWatcher()
	s := serve(t, func(*app.Request) app.Answer { return app.Ready(websocket.Accept(endpoint)) }, w.observed, func(c *server.Config) {
		c.Stall = server.StallConfig{Warn: 50 * time.Millisecond, Timeout: 250 * time.Millisecond, Restarts: 1000}
	})
	t.Cleanup(func() { close(release) })
	l := s.dial()
	l.say(openSocket)
	w.next(t, w.opened)
	l.reset()
	if got := w.next(t, w.finished); got.Event != server.EventClose || got.End.String() != "CU" {
		t.Errorf("closed %+v", got)
	}
}

// A WebSocket over HTTP/2 ends with its stream.
func TestLastingRequestOverHTTP2(t *testing.T) {
	w := newWatcher()
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	}, w.observed)
	l := s.dial2()
	l.request(1, "CONNECT", "/socket", false, ":protocol", "websocket", "sec-websocket-version", "13")
	l.answered(1, "200")
	if got := w.next(t, w.opened); got.Stream != 1 || got.Path != "/socket" || got.Method != "GET" {
		t.Errorf("opened %+v", got)
	}
	l.must(l.framer.WriteRSTStream(1, 8))
	if got := w.next(t, w.finished); got.End.String() != "RU" || got.Stream != 1 || got.Event != server.EventClose {
		t.Errorf("closed %+v", got)
	}
}

// Times follow each other, and the time of a head counts from its first byte.
func TestTimesOfARequest(t *testing.T) {
	const pause = 30 * time.Millisecond
	w := newWatcher()
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, pause), func(app.Done) (*app.Response, error) { return app.Text(200, "late"), nil })
	}, w.observed)
	l := s.dial()
	l.say("GET / HTTP/1.1\r\n")
	eventually(t, "the first bytes", func() bool { return s.Counts().BytesIn > 0 })
	time.Sleep(pause)
	l.say("Host: a\r\n\r\n")
	l.hear("GET", 200, "late")
	got := w.next(t, w.finished)
	if got.HeadTime < pause || got.Wait < pause || got.FirstByte < got.Wait || got.Total < got.FirstByte {
		t.Errorf("head %v, wait %v, first byte %v, total %v", got.HeadTime, got.Wait, got.FirstByte, got.Total)
	}
	if got.Out != 4 || got.Sent <= 4 || got.Received != int64(len("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) {
		t.Errorf("%d bytes out, %d sent, %d received", got.Out, got.Sent, got.Received)
	}
}

// A gateway adds what it knows of the backend.
func TestUpstreamOfARequest(t *testing.T) {
	backend := serve(t, hello)
	w := newWatcher()
	s := serve(t, forwarding(t, "http://"+backend.addr, gateway.Options{}), w.observed)
	l := s.dial()
	for range 2 {
		l.say(get("/"))
		l.hear("GET", 200, "Hello, World!")
		u := w.next(t, w.finished).Upstream
		if u == nil || u.Tries != 1 || !strings.Contains(u.Peer, backend.addr) || u.Reason != "ok" || u.Connect <= 0 || u.Head < u.Connect || u.Total < u.Head {
			t.Errorf("got %+v", u)
		}
	}
}

// A snapshot has the oldest requests first, and does not wait for a stalled loop.
func TestRequestsInFlight(t *testing.T) {
	w := newWatcher()
	begun, release := make(chan struct{}, 10), make(chan struct{})
	s := serve(t, troubles(begun, release, hello, hello, hello), w.observed, halfClosedSoon, func(c *server.Config) {
		c.Stall = server.StallConfig{Warn: -1, Timeout: -1}
	})
	defer close(release)
	s.failed = true
	for range 3 {
		l := s.dial()
		l.say(get("/pending"))
		<-begun
	}
	line := func(dst []byte, r *app.Request, rec *server.Record) []byte {
		return append(append(dst, r.Method...), rec.Target...)
	}
	requests, stalled := s.Requests(server.RequestQuery{Limit: 2, Line: line})
	if len(requests) != 2 || len(stalled) != 0 || string(requests[0].Line) != "GET/pending" || requests[0].Phase != 'H' {
		t.Fatalf("in flight: %+v, stalled loops: %v", requests, stalled)
	}
	if !slices.IsSortedFunc(requests, func(a, b server.RequestInfo) int { return a.Arrived.Compare(b.Arrived) }) {
		t.Error("they are not in the order of their arrival")
	}
	conns, _ := s.Connections(server.ConnQuery{Loop: -1, Sort: server.ByIn})
	if len(conns) != 3 || conns[0].In == 0 || conns[0].Requests != 1 || conns[0].Open != 1 || conns[0].Protocol != "http/1" || conns[0].Peer == "" {
		t.Errorf("connections: %+v", conns)
	}
	s.dial().say(get("/stalls"))
	eventually(t, "a loop that does not answer", func() bool {
		_, stalled := s.Requests(server.RequestQuery{})
		return len(stalled) == 1
	})
	for range 10 {
		if _, stalled := s.Connections(server.ConnQuery{Loop: -1}); len(stalled) != 1 {
			t.Errorf("stalled loops: %v", stalled)
		}
	}
}

// Every reason has one of the enders.
func TestEndersOfReasons(t *testing.T) {
	for _, reason := range server.Reasons() {
		if !slices.Contains(spi.Enders(), reason.Ender()) {
			t.Errorf("%v has ended requests by %q", reason, reason.Ender())
		}
	}
	for _, reason := range gateway.Reasons() {
		if !slices.Contains(spi.Enders(), reason.Ender()) {
			t.Errorf("%v of a gateway has ended requests by %q", reason, reason.Ender())
		}
	}
}
