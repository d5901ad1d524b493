//go:build linux

package reactor

import "github.com/gatewheel/gatewheel/reactor/internal/engine"

// newConn makes a connection of the Loop's out of a polled socket.
func (l *Loop) newConn(s engine.Socket, fd int, ln *listener) *Conn {
	c := &Conn{socket: s, listener: ln, fd: int32(fd), timerIndex: -1}
	c.loop.Store(l)
	l.reactor.table.insert(c)
	l.add(c)
	l.reactor.open.Add(1)
	return c
}

// accept makes a connection of a socket that was accepted from ln.
func (l *Loop) accept(s engine.Socket, fd int, ln *listener) *Conn {
	l.stats.accepted.Add(1)
	ln.prepare(l, fd)
	c := l.newConn(s, fd, ln)
	l.reactor.gate.check()
	l.start(c)
	return c
}

// start begins the filters of a new connection, or opens its session if it has none. A connection beyond the limits of its
// peer may be closed.
func (l *Loop) start(c *Conn) {
	if !c.admit(l) {
		return
	}
	if c.listener != nil {
		c.filter = newFilter(c, c.listener)
	}
	if c.filter != nil {
		c.startHandshake(l)
		return
	}
	l.guarded(c, (*Conn).openIfReady)
}

func (c *Conn) openIfReady() {
	if c.session == nil && c.phase == phaseOpen {
		c.open()
		c.Touch()
	}
}

// sessionFor returns the session of an accepted connection.
func (r *Reactor) sessionFor(c *Conn) Session {
	if reason, _ := c.PeerRefused(); reason != 0 {
		return r.config.Refuse(c)
	}
	if over := r.open.Load() - r.refusedOpen.Load() - int64(r.config.MaxConnections); r.config.Refuse != nil &&
		r.config.MaxConnections > 0 && over > 0 && r.halfClosed.evict(over) > 0 {
		r.refused.Add(1)
		r.refusedOpen.Add(1)
		c.ensureRare().refused = true
		return r.config.Refuse(c)
	}
	return c.listener.config.Open(c)
}
