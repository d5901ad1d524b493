//go:build linux

package server

import (
	"context"
	"time"

	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/reactor"
)

// BeginShutdown announces the end of the server and returns after Config.DrainDelay, or when ctx ends before; Shutdown
// does the rest. From the call on, Draining reports true, so that load balancers that ask for readiness send clients
// elsewhere. Those that still come are accepted and answered. Each HTTP/1 connection ends after its next response, which
// has Connection: close. HTTP/2 clients are told to open no more streams (GOAWAY, RFC 9113 section 6.8): those that are
// connected at once, others after their first response; every stream that they open before they know is answered.
// WebSockets, event streams and tunnels go on until Shutdown.
//
// Without a DrainDelay, or before Start has returned, it returns at once. Further calls wait for the same time, and the
// end of any ctx ends it for all. Any goroutine.
func (s *Server) BeginShutdown(ctx context.Context) {
	s.leaving.Store(true)
	s.delay.begin.Do(s.beginDelay)
	s.delay.wait(ctx)
}

// beginDelay tells clients, and has the delay end in time.
func (s *Server) beginDelay() {
	s.starting.Lock()
	serving := s.serving
	s.starting.Unlock()
	if hook := s.config.Hooks.Drain; hook != nil && serving {
		hook()
	}
	if s.config.DrainDelay == 0 || !serving {
		s.delay.end()
		return
	}
	s.reactor.EachConn(func(c *reactor.Conn) {
		if h, ok := c.Session().(*h2Session); ok {
			h.drainAlone()
		}
	})
	time.AfterFunc(s.config.DrainDelay, s.delay.end)
}

// endAfterNewest makes the newest request the last one, unless more input has arrived, which may be a pipelined request:
// that is answered too.
func (s *h1Session) endAfterNewest() {
	if s.conn.Kept() == 0 || s.machine.Phase() == h1.InContent {
		s.machine.EndAfterNewest()
	}
}

// answered reports whether a request of the connection has been answered to its end.
func (s *h2Session) answered() bool { return int64(s.requests) > int64(s.machine.Streams()) }
