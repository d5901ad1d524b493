//go:build linux

package reactor

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

const (
	// DrainGrace is the time that a draining Reactor leaves to connections without a request: new connections,
	// handshakes, lingering closes. It suffices for a request that was in flight. Sessions use it for recently
	// active connections.
	DrainGrace = time.Second
	// drainLingerSilence is Config.LingerSilence while draining.
	drainLingerSilence = 250 * time.Millisecond
)

// Drain calls visit for each connection that has a session, as EachConn does; the session should finish the
// received input and close. A connection without a session is closed: at once if it has sent no byte for DrainGrace, or
// its handshake has taken twice that, else at DrainBy. A lingering connection is closed at DrainBy at the latest. Call it once, after StopAccepting. On
// any goroutine.
func (r *Reactor) Drain(visit func(*Conn)) {
	r.drainBy.Store(int64(time.Since(r.born) + DrainGrace))
	r.EachConn(func(c *Conn) { c.drain(visit) })
}

// DrainBy returns the time, in the unit of Age, until which a draining Reactor waits for connections without a
// request; 0 before Drain. On any goroutine.
func (l *Loop) DrainBy() time.Duration { return time.Duration(l.reactor.drainBy.Load()) }

// drain does the work of Reactor.Drain for c. On the loop.
func (c *Conn) drain(visit func(*Conn)) {
	l := c.loop.Load()
	switch {
	case c.phase == phaseDiscarding:
		c.extendLinger(l)
	case c.session != nil:
		visit(c)
	case c.dialling() != nil:
		// A request that is under way may need it.
	case c.filter == nil || c.deadline == 0:
		// It is about to open its session, or to close.
	case c.silent(l):
		c.close(ErrStopped)
	default:
		c.setDeadline(min(c.deadline, l.reactor.drainBy.Load()))
	}
}

// silent reports whether the peer of a connection without a session is not expected to go on: it has had DrainGrace for its
// first byte, or twice that for its handshake, and no input waits.
func (c *Conn) silent(l *Loop) bool {
	grace := DrainGrace
	if c.filter.begun() {
		grace *= 2
	}
	return l.Age() >= c.handshakeBegan()+grace && !c.Waiting()
}

// handshakeBegan returns the time at which a connection without a session was accepted, in the unit of Loop.Age. It is
// later by the extensions of its deadline.
func (c *Conn) handshakeBegan() time.Duration {
	return time.Duration(c.deadline) - c.loop.Load().reactor.config.HandshakeTimeout
}

// startHandshake sets the deadline of a connection's filters.
func (c *Conn) startHandshake(l *Loop) {
	c.setDeadlineIn(l.reactor.config.HandshakeTimeout)
	if by := l.reactor.drainBy.Load(); by != 0 {
		c.setDeadline(min(c.deadline, by))
	}
}

// handshakeOverdue returns the error with which a connection is closed at its handshake's deadline.
func (l *Loop) handshakeOverdue() error {
	if l.reactor.drainBy.Load() != 0 {
		return ErrStopped
	}
	return ErrHandshakeTimeout
}

// extendLinger sets the deadline of a lingering connection, after input or at its start.
func (c *Conn) extendLinger(l *Loop) {
	silence, by := l.reactor.config.LingerSilence, c.rare.lingerBy
	if drainBy := l.reactor.drainBy.Load(); drainBy != 0 {
		silence = min(silence, drainLingerSilence)
		by = min(by, max(drainBy, c.rare.lingerFrom+int64(DrainGrace)))
	}
	c.setDeadline(min(int64(moment.After(l.Age(), silence)), by))
}
