//go:build linux

package server

import "github.com/gatewheel/gatewheel/reactor"

// greeting is the session of a connection whose protocol is unknown.
type greeting struct {
	conn     *reactor.Conn
	loop     *loop
	settling *loop   // to which the connection moves for its HTTP/2 session; nil: it does not
	opened   instant // when the peer could send its first byte
}

var _ reactor.Session = (*greeting)(nil)

// open returns the session of a new connection. On its loop.
func (s *Server) open(c *reactor.Conn) reactor.Session {
	l := loopOf.Get(c.Loop())
	g := &greeting{conn: c, loop: l, opened: l.instant()}
	lookAt(c, earlier(g.opened.after(s.config.HeadTimeout), l.drainBy()))
	return g
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

// choose returns the protocol: that of the TLS handshake, or the one of the first bytes.
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

// greetHTTP2 starts HTTP/2, unless it is not allowed over the connection's TLS parameters.
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

// Timeout implements reactor.Session. What is in the socket is served first.
func (g *greeting) Timeout() {
	if g.conn.Waiting() {
		lookAt(g.conn, g.loop.instant().after(readTime))
		return
	}
	if g.loop.drainBy() != 0 {
		g.conn.Close()
		return
	}
	g.loop.refused(HeadTimeout, g.conn, nil)
	g.conn.Close()
}

// Closed implements reactor.Session.
func (g *greeting) Closed(error) {
	if g.settling != nil {
		g.settling.load.connections.Add(-1)
	}
}

// drain implements drainer. A session that is about to begin, since its first bytes have come, drains itself. A
// connection that was silent for longer than the grace ends at once.
func (g *greeting) drain() {
	l := g.loop
	switch {
	case g.settling != nil || g.conn.Waiting():
	case g.opened.after(reactor.DrainGrace).passed(l.instant()):
		g.conn.CloseFlushed()
		return
	}
	lookAt(g.conn, earlier(g.opened.after(l.server.config.HeadTimeout), l.drainBy()))
}
