//go:build linux

package server

import (
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// errHTTP2Only is the error of connections that speak HTTP/1 to a server without it.
var errHTTP2Only = errors.New("the connection does not begin with the preface of HTTP/2, and HTTP/1 is turned off")

// detector is the session of a connection whose protocol is unknown.
type detector struct {
	conn     *reactor.Conn
	loop     *loop
	movingTo *loop   // the loop of the future HTTP/2 session, while the connection moves there; else nil
	opened   instant // when the peer could send its first byte
}

var _ reactor.IdleSession = (*detector)(nil)

// open returns the session of a new connection. On its loop.
func (s *Server) open(c *reactor.Conn) reactor.Session {
	l := loopOf.Get(c.Loop())
	d := &detector{conn: c, loop: l, opened: l.instant()}
	patience := s.config.HeadTimeout
	if s.memoryLevel() >= MemoryScarce && (patience == 0 || patience > scarceHeadTimeout) {
		patience = scarceHeadTimeout
	}
	setTimeoutAt(c, earlier(d.opened.after(patience), l.drainBy()))
	return d
}

// Receive implements reactor.Session.
func (d *detector) Receive(in []byte) int {
	if d.movingTo != nil {
		return 0
	}
	switch d.choose(in) {
	case protocolHTTP1:
		if d.loop.server.config.HTTP2.Only {
			d.loop.refused(MalformedHTTP2, d.conn, errHTTP2Only)
			d.loop.refusedConnection(d.conn, "", 0, MalformedHTTP2)
			d.conn.Close()
			return len(in)
		}
		if d.loop.server.refusesFirst(in) {
			d.refuse(app.HTTP11, 503, scarceHTTP1)
			return len(in)
		}
		s := newH1Session(newConnection(d.loop, d.conn))
		d.conn.SetSession(s)
		used := s.Receive(in)
		if d.loop.server.draining.Load() {
			s.drain()
		}
		return used
	case protocolHTTP2:
		if d.loop.server.memoryLevel() >= MemoryCritical {
			d.refuse(app.HTTP2, 0, busyHTTP2)
			return len(in)
		}
		d.startHTTP2()
	}
	return 0
}

// refuse answers with output for lack of memory, and closes.
func (d *detector) refuse(protocol string, status int, output string) {
	d.loop.refused(MemoryScarcity, d.conn, nil)
	d.loop.refusedConnection(d.conn, protocol, status, MemoryScarcity)
	d.conn.SetSession(&refusedSession{conn: d.conn, loop: d.loop, output: output, hurry: d.loop.server.memoryLevel() >= MemoryCritical})
}

// choose returns the protocol: that of the TLS handshake, or the one of the first bytes.
func (d *detector) choose(in []byte) protocol {
	switch state := d.conn.TLS(); {
	case d.loop.server.config.HTTP2.Disabled:
		return protocolHTTP1
	case state == nil && d.loop.server.config.HTTP2.TLSOnly:
		return protocolHTTP1
	case state == nil:
		return sniff(in)
	case state.NegotiatedProtocol == "h2":
		return protocolHTTP2
	}
	return protocolHTTP1
}

// startHTTP2 starts HTTP/2, unless it is not allowed over the connection's TLS parameters.
func (d *detector) startHTTP2() {
	if state := d.conn.TLS(); state != nil && reactor.InadequateSecurity(state) != "" {
		// RFC 9113 section 9.2: the connection is ended with INADEQUATE_SECURITY.
		d.conn.SetSession(&refusedSession{conn: d.conn, loop: d.loop, output: inadequateSecurity})
		return
	}
	d.moveToLightest()
}

// Transmit implements reactor.Session.
func (d *detector) Transmit(dst []byte, _ int) []byte { return dst }

// EOF implements reactor.Session.
func (d *detector) EOF() bool { return false }

// Timeout implements reactor.Session. What is in the socket is served first.
func (d *detector) Timeout() {
	if d.conn.Waiting() {
		setTimeoutAt(d.conn, d.loop.instant().after(readGrace))
		return
	}
	if d.loop.drainBy() != 0 {
		d.conn.Close()
		return
	}
	d.loop.refused(HeadTimeout, d.conn, nil)
	if d.conn.Kept() > 0 {
		d.loop.refusedConnection(d.conn, "", 0, HeadTimeout)
	}
	d.conn.Close()
}

// Closed implements reactor.Session.
func (d *detector) Closed(error) {
	if d.movingTo != nil {
		d.movingTo.load.connections.Add(-1)
	}
	d.loop.flushEnded()
}

// IdleSince implements reactor.IdleSession.
func (d *detector) IdleSince() time.Duration {
	if d.movingTo != nil {
		return 0
	}
	return time.Duration(d.opened)
}

// drain implements drainer. If the first bytes have arrived, the session that follows drains. A connection that was
// silent for longer than the grace period ends at once.
func (d *detector) drain() {
	l := d.loop
	switch {
	case d.movingTo != nil || d.conn.Waiting():
	case d.opened.after(reactor.DrainGrace).passed(l.instant()):
		d.conn.CloseFlushed()
		return
	}
	setTimeoutAt(d.conn, earlier(d.opened.after(l.server.config.HeadTimeout), l.drainBy()))
}
