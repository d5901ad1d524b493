//go:build linux

package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// Each refusal is counted under its reason, and a line names the reason and the peer.
func TestRefusalIsCountedAndLogged(t *testing.T) {
	empty := func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) }
	never := func(r *app.Request) app.Answer {
		_, f := app.Promised[*app.Response](r)
		return f
	}
	upload := func(r *app.Request) app.Answer {
		return app.Map(r.Body.ReadAll(1<<20), func([]byte) (*app.Response, error) { return app.Empty(204), nil })
	}
	offload := func(r *app.Request) app.Answer {
		return app.Offload(r, func(ctx context.Context) (*app.Response, error) {
			<-ctx.Done()
			return app.Empty(204), nil
		})
	}
	for _, c := range []struct {
		reason  server.Reason
		count   uint64
		handler app.Handler
		option  func(*server.Config)
		peer    func(s *site)
	}{
		{server.MalformedHTTP1, 1, never, nil, func(s *site) {
			l := s.dial()
			l.say("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
			l.status("GET", 400)
		}},
		{server.ConnectionError, 1, never, nil, func(s *site) {
			l := s.dial2()
			l.must(l.framer.WriteData(1, true, []byte("x")))
			l.leaves(http2.ErrCodeProtocol)
		}},
		{server.Flood, 1, never, nil, func(s *site) {
			l := s.dial2()
			a := newAttacker()
			for range 20_000 {
				attacks["ping"](a, 1)
			}
			go l.Conn.Write(a.out.Bytes())
			l.goodbye()
		}},
		{server.ConnectionLimit, 1, never, func(c *server.Config) { c.MaxConnections = 1 }, func(s *site) {
			s.dial().say("GET / HTTP/1.1\r\n")
			eventually(s.t, "the first is there", func() bool { return s.Stats().Connections == 1 })
			l := s.dial()
			l.say(get("/"))
			l.status("GET", 503)
		}},
		{server.PoolFull, 1, offload, func(c *server.Config) { c.Pool = server.PoolConfig{Workers: 1, Queue: -1} }, func(s *site) {
			s.dial().say(get("/"))
			eventually(s.t, "one is refused", func() bool {
				l := s.dial()
				l.say(get("/"))
				_ = l.SetReadDeadline(time.Now().Add(soon))
				response, err := http.ReadResponse(l.r, nil)
				return err == nil && response.StatusCode == 503
			})
		}},
		{server.HeadTimeout, 1, never, func(c *server.Config) { c.HeadTimeout = soon }, func(s *site) {
			l := s.dial()
			l.say("GET / HTTP/1.1\r\n")
			l.status("GET", 408)
		}},
		{server.BodyTimeout, 1, upload, func(c *server.Config) { c.BodyTimeout = soon }, func(s *site) {
			l := s.dial()
			l.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1")
			l.status("POST", 408)
		}},
		{server.IdleTimeout, 1, empty, func(c *server.Config) { c.IdleTimeout = soon }, func(s *site) {
			l := s.dial()
			l.say(get("/"))
			l.status("GET", 204)
			l.end()
		}},
		{server.RequestTimeout, 1, never, func(c *server.Config) { c.RequestTimeout = soon }, func(s *site) {
			l := s.dial()
			l.say(get("/"))
			l.status("GET", 503)
		}},
		{server.MalformedWebSocket, 1, at(echoes()), nil, func(s *site) {
			p, _ := upgradeHTTP1(s, "/")
			p.say(frame{0x80 | 0x40 | 1, "reserved bit"})
			if _, err := readFrame(p.r); err != nil {
				s.t.Fatalf("no Close frame: %v", err)
			}
			p.drop()
			eventually(s.t, "the socket is gone", func() bool { return s.Stats().Connections == 0 })
		}},
		{server.ProxyHeader, 1, never, func(c *server.Config) { c.Listeners[0].ProxyProtocol = reactor.ProxyRequire }, func(s *site) {
			l := s.dial()
			l.say(get("/"))
			l.end()
		}},
	} {
		t.Run(c.reason.String(), func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			s := serve(t, c.handler, func(config *server.Config) {
				config.Logger = zap.New(core)
				if c.option != nil {
					c.option(config)
				}
			})
			c.peer(s)
			eventually(t, "it is counted", func() bool { return s.Counts().Refused[c.reason] >= c.count })
			eventually(t, "it is logged", func() bool {
				for _, line := range logs.All() {
					fields := line.ContextMap()
					if fields["reason"] == c.reason.String() {
						return strings.HasPrefix(fmt.Sprint(fields["peer"]), "127.0.0.1:")
					}
				}
				return false
			})
		})
	}
}

// A thousand strangers make one line.
func TestRefusalsOfOneReasonAreOneLine(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	s := serve(t, func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) }, func(c *server.Config) { c.Logger, c.Loops = zap.New(core), 1 })
	const times = 100
	for range times {
		l := s.dial()
		l.say("GET / HTTP/1.1\r\n\r\n")
		l.status("GET", 400)
		l.close()
	}
	if n := s.Counts().Refused[server.MalformedHTTP1]; n != times {
		t.Errorf("%d are counted, want %d", n, times)
	}
	eventually(t, "a line", func() bool { return logs.FilterMessage("malformed HTTP/1 request").Len() > 0 })
	if n := logs.FilterMessage("malformed HTTP/1 request").Len(); n > 2 { // two, should it have taken so long
		t.Errorf("%d lines", n)
	}
}
