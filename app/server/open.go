//go:build linux

package server

import "github.com/gatewheel/gatewheel/reactor"

// greeting is the session of a connection that has not shown its protocol yet.
type greeting struct {
	conn     *reactor.Conn
	loop     *loop
	settling *loop // where its HTTP/2 session is about to begin
}

var _ reactor.Session = (*greeting)(nil)

// open is called for each new connection, on its loop.
func (s *Server) open(c *reactor.Conn) reactor.Session {
	l := loopOf.Get(c.Loop())
	if d := s.config.HeadTimeout; d > 0 {
		c.SetDeadline(l.r.Now().Add(d))
	}
	return &greeting{conn: c, loop: l}
}

// Receive implements reactor.Session.
func (g *greeting) Receive(in []byte) int {
	if g.settling != nil {
		return 0
	}
	switch g.choose(in) {
	case protocolHTTP1:
		s := newH1Session(newPeer(g.loop, g.conn))
		g.conn.SetSession(s)
		used := s.Receive(in)
		if g.loop.server.Draining() {
			s.drain()
		}
		return used
	case protocolHTTP2:
		g.greetHTTP2()
	}
	return 0
}

// choose: over TLS the handshake has decided, else the first bytes do.
func (g *greeting) choose(in []byte) protocol {
	switch state := g.conn.TLS(); {
	case g.loop.server.config.HTTP2.Disabled:
		return protocolHTTP1
	case state == nil:
		return sniff(in)
	case state.NegotiatedProtocol == "h2":
		return protocolHTTP2
	}
	return protocolHTTP1
}

// greetHTTP2 refuses what HTTP/2 forbids.
func (g *greeting) greetHTTP2() {
	if state := g.conn.TLS(); state != nil && reactor.InadequateSecurity(state) != "" {
		// RFC 9113 section 9.2: the connection is ended with INADEQUATE_SECURITY.
		g.conn.SetSession(&refusal{conn: g.conn, words: inadequateSecurity})
		return
	}
	g.settle()
}

// Transmit implements reactor.Session.
func (g *greeting) Transmit(dst []byte, _ int) []byte { return dst }

// EOF implements reactor.Session.
func (g *greeting) EOF() bool { return false }

// Timeout implements reactor.Session.
func (g *greeting) Timeout() {
	g.loop.refused(HeadTimeout, g.conn, nil)
	g.conn.Close()
}

// Closed implements reactor.Session.
func (g *greeting) Closed(error) {
	if g.settling != nil {
		g.settling.load.connections.Add(-1)
	}
}

// drain implements drainer. Where a session is about to begin, since its first bytes have come, that one
// drains. So it does on connections that are not here yet, since their handshake goes on: their first request
// is answered.
func (g *greeting) drain() {
	if g.settling == nil && !g.conn.Waiting() {
		g.conn.CloseFlushed()
	}
}
