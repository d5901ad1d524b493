//go:build linux

package reactor

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

const (
	// DrainGrace is how long a Reactor that drains gives connections that serve nobody: newcomers, handshakes,
	// peers that read their last answer. Sessions use it for those that were busy lately. A request that is
	// on its way comes within it.
	DrainGrace = time.Second
	// drainLingerSilence is Config.LingerSilence while draining.
	drainLingerSilence = 250 * time.Millisecond
)

// Drain calls visit for each connection that has a session, as EachConn does; the session is to end behind
// what has come. Connections without a session end by themselves: one that has sent nothing since DrainGrace at
// once, others at DrainBy. Those that linger end at DrainBy at the latest. From any goroutine, once, after
// StopAccepting.
func (r *Reactor) Drain(visit func(*Conn)) {
	r.drainBy.Store(int64(time.Since(r.born) + DrainGrace))
	r.EachConn(func(c *Conn) { c.drain(visit) })
}

// DrainBy returns the time, in the measure of Age, until which a draining Reactor waits for connections that
// serve nobody; 0 unless Drain was called. From any goroutine.
func (l *Loop) DrainBy() time.Duration { return time.Duration(l.reactor.drainBy.Load()) }

func (c *Conn) drain(visit func(*Conn)) {
	l := c.loop.Load()
	switch {
	case c.phase == phaseDiscarding:
		c.extendLinger(l)
	case c.session != nil:
		visit(c)
	case c.filter == nil || c.deadline == 0:
		// It is about to open its session, or to leave.
	case !c.filter.begun() && l.Age() >= c.handshakeBegan()+DrainGrace && !c.Waiting():
		c.close(ErrStopped)
	default:
		c.setDeadline(min(c.deadline, l.reactor.drainBy.Load()))
	}
}

// handshakeBegan returns the age of the Reactor at which a connection without a session came. It may be later by
// what its deadline was extended.
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

// handshakeOverdue is what a connection is closed with whose handshake's deadline has passed.
func (l *Loop) handshakeOverdue() error {
	if l.reactor.drainBy.Load() != 0 {
		return ErrStopped
	}
	return ErrHandshakeTimeout
}

// extendLinger sets the time at which a lingering connection closes if nothing more comes.
func (c *Conn) extendLinger(l *Loop) {
	silence, by := l.reactor.config.LingerSilence, c.rare.lingerBy
	if drainBy := l.reactor.drainBy.Load(); drainBy != 0 {
		silence = min(silence, drainLingerSilence)
		by = min(by, max(drainBy, c.rare.lingerFrom+int64(DrainGrace)))
	}
	c.setDeadline(min(int64(moment.After(l.Age(), silence)), by))
}
