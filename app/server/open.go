//go:build linux

package server

import (
	"math/rand/v2"

	"github.com/gatewheel/gatewheel/reactor"
)

// greeting is the session of a connection that has not shown its protocol yet.
type greeting struct {
	conn *reactor.Conn
	loop *loop
}

var _ reactor.Session = (*greeting)(nil)

// open is called for each new connection, on its loop.
func (s *Server) open(c *reactor.Conn) reactor.Session {
	l := c.Loop().Value().(*loop)
	g := &greeting{conn: c, loop: l}
	if d := s.config.HeadTimeout; d > 0 {
		c.SetDeadline(l.r.Now().Add(d))
	}
	return g
}

// Receive implements reactor.Session.
func (g *greeting) Receive(in []byte) int {
	next := g.choose(in)
	if next == nil {
		return 0
	}
	g.conn.SetSession(next)
	return next.Receive(in)
}

// choose: over TLS the handshake has decided, else the first bytes do.
func (g *greeting) choose(in []byte) reactor.Session {
	h2c := !g.loop.server.config.HTTP2.Disabled
	if state := g.conn.TLS(); state != nil {
		if h2c && state.NegotiatedProtocol == "h2" {
			return g.http2()
		}
		return newH1Session(newPeer(g.loop, g.conn))
	}
	if !h2c {
		return newH1Session(newPeer(g.loop, g.conn))
	}
	switch sniff(in) {
	case protocolHTTP1:
		return newH1Session(newPeer(g.loop, g.conn))
	case protocolHTTP2:
		return g.http2()
	}
	return nil
}

func (g *greeting) http2() reactor.Session {
	return newH2Session(newPeer(g.loop, g.conn), rand.Float64())
}

// Transmit implements reactor.Session.
func (g *greeting) Transmit(dst []byte, _ int) []byte { return dst }

// EOF implements reactor.Session.
func (g *greeting) EOF() bool { return false }

// Timeout implements reactor.Session.
func (g *greeting) Timeout() {
	g.loop.count.timeouts.Add(1)
	g.conn.Close()
}

// Closed implements reactor.Session.
func (g *greeting) Closed(error) {}

// drain implements drainer.
func (g *greeting) drain() { g.conn.CloseFlushed() }
