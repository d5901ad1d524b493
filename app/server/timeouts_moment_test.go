//go:build linux

package server_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// Every time limit acts when its time has passed: never before, and at most a second or a tenth later.
func TestLimitsActInTime(t *testing.T) {
	const limit = 2 * time.Second
	waits := func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/digest":
			return digest(r)
		case "/endless":
			return endless(r)
		case "/never":
			_, f := app.Promised[*app.Response](r)
			return f
		}
		return hello(r)
	}
	refused := func(reason server.Reason) func(*site) uint64 {
		return func(s *site) uint64 { return s.Counts().Refused[reason] }
	}
	gone := func(s *site) uint64 { return uint64(1 - s.Stats().Connections) }
	secure := withIdentity(issue(t, "a.test", nil))
	socket := func(e *websocket.Endpoint) func(*server.Config) {
		return func(c *server.Config) { c.Handler = at(e) }
	}
	var all []*watched
	for name, c := range map[string]struct {
		configure func(*server.Config)
		act       func(*site)
		count     func(*site) uint64 // of what the limit does
	}{
		"handshake, silent": {
			func(c *server.Config) { secure(c); c.HandshakeTimeout = limit },
			func(s *site) { s.dial() }, gone,
		},
		"handshake, first record not whole": {
			func(c *server.Config) { secure(c); c.HandshakeTimeout = limit },
			func(s *site) { s.dial().say("\x16\x03\x01") }, gone,
		},
		"handshake, PROXY header not whole": {
			func(c *server.Config) {
				c.Listeners[0].ProxyProtocol = reactor.ProxyRequire
				c.HandshakeTimeout = limit
			},
			func(s *site) { s.dial().say("PROXY ") }, gone,
		},
		"head, silent newcomer": {
			func(c *server.Config) { c.HeadTimeout = limit },
			func(s *site) { s.dial() }, gone,
		},
		"head, not whole": {
			func(c *server.Config) { c.HeadTimeout = limit },
			func(s *site) { s.dial().say("GET / HTTP/1.1\r\n") }, refused(server.HeadTimeout),
		},
		"head over HTTP/2, not whole": {
			func(c *server.Config) { c.HeadTimeout = limit },
			func(s *site) {
				l := s.dial2()
				l.must(l.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}, EndStream: true}))
			}, refused(server.HeadTimeout),
		},
		"body": {
			func(c *server.Config) { c.BodyTimeout = limit },
			func(s *site) { s.dial().say(post("/digest", 10) + "hello") }, refused(server.BodyTimeout),
		},
		"body over HTTP/2": {
			func(c *server.Config) { c.BodyTimeout = limit },
			func(s *site) { s.dial2().request(1, "POST", "/digest", false) }, refused(server.BodyTimeout),
		},
		"request": {
			func(c *server.Config) { c.RequestTimeout = limit },
			func(s *site) { s.dial().say(get("/never")) }, refused(server.RequestTimeout),
		},
		"idle": {
			func(c *server.Config) { c.IdleTimeout = limit },
			func(s *site) { l := s.dial(); l.say(get("/")); l.hear("GET", 200, "Hello, World!") }, refused(server.IdleTimeout),
		},
		"idle over HTTP/2": {
			func(c *server.Config) { c.IdleTimeout = limit },
			func(s *site) { l := s.dial2(); l.request(1, "GET", "/", true); l.answer(1, "200", "Hello, World!") }, refused(server.IdleTimeout),
		},
		"write": {
			func(c *server.Config) { c.WriteTimeout = limit },
			func(s *site) { s.dialNarrow().say(get("/endless")) }, refused(server.WriteTimeout),
		},
		"write over HTTP/2, windows open": {
			func(c *server.Config) { c.WriteTimeout, c.HTTP2.StallTimeout = limit, time.Hour },
			func(s *site) {
				l := newLine2(s.dialNarrow())
				l.open(http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32})
				l.must(l.framer.WriteWindowUpdate(0, 1<<30))
				l.request(1, "GET", "/endless", true)
			}, refused(server.WriteTimeout),
		},
		"write over HTTP/2, windows closed": {
			func(c *server.Config) { c.WriteTimeout = limit },
			func(s *site) { s.dial2().request(1, "GET", "/endless", true) }, refused(server.WriteTimeout),
		},
		"PING over HTTP/2": {
			func(c *server.Config) { c.HTTP2.KeepAlive, c.HTTP2.KeepAliveTimeout = limit/2, limit/2 },
			func(s *site) { s.dial2() }, refused(server.PingTimeout),
		},
		"WebSocket, ping": {
			socket(&websocket.Endpoint{KeepAlive: limit / 2, PongTimeout: limit / 2}),
			func(s *site) { upgradeHTTP1(s, "/") }, refused(server.WebSocketTimeout),
		},
		"WebSocket, idle": {
			socket(&websocket.Endpoint{IdleTimeout: limit, CloseTimeout: time.Millisecond}),
			func(s *site) { upgradeHTTP1(s, "/") }, gone,
		},
		"WebSocket, closing": {
			socket(&websocket.Endpoint{CloseTimeout: limit, Open: func(s *websocket.Socket, _ *app.Request) { s.Close(int(ws.CloseNormal), "") }}),
			func(s *site) { upgradeHTTP1(s, "/") }, gone,
		},
		"WebSocket, write": {
			func(c *server.Config) {
				c.WriteTimeout = limit
				c.Handler = at(&websocket.Endpoint{
					Compression: websocket.Compression{Off: true},
					Open:        func(s *websocket.Socket, _ *app.Request) { s.SendText(string(make([]byte, 4<<20))) },
				})
			},
			func(s *site) {
				s.dialNarrow().say(get("/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+sampleKey))
			}, refused(server.WriteTimeout),
		},
	} {
		s := serve(t, waits, c.configure)
		w := &watched{name: name, site: s, count: c.count, before: time.Now()}
		c.act(s)
		w.after = time.Now()
		all = append(all, w)
	}
	eventually(t, "all limits act", func() bool {
		all = slices.DeleteFunc(all, func(w *watched) bool { return w.over(t, limit) })
		return len(all) == 0
	})
}

// watched is a server with a connection whose time runs.
type watched struct {
	name          string
	site          *site
	count         func(*site) uint64
	before, after time.Time // the peer did what its time runs from
}

// over reports whether the limit has acted, which it must not do early or late.
func (w *watched) over(t *testing.T, limit time.Duration) bool {
	if w.count(w.site) != 1 || !acted(w.site) {
		return false
	}
	now := time.Now()
	if d := now.Sub(w.before); d < limit {
		t.Errorf("%s: after %v already", w.name, d)
	}
	if d := now.Sub(w.after); d > limit+max(limit/10, 2*time.Second) {
		t.Errorf("%s: after %v", w.name, d)
	}
	return true
}

// acted reports whether the server has accepted a connection, without which none is gone.
func acted(s *site) bool {
	accepted := int64(0)
	for _, l := range s.Stats().Loops {
		accepted += l.Accepted
	}
	return accepted > 0
}
