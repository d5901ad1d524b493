//go:build linux

package reactor

import (
	"runtime"

	"github.com/panjf2000/gnet/v2"
)

// newConn makes a connection of the Loop's out of what gnet reads for it.
func (l *Loop) newConn(g gnet.Conn, ln *listener) *Conn {
	c := &Conn{gnet: g, listener: ln, fd: int32(g.Fd()), moment: -1}
	c.loop.Store(l)
	l.reactor.table.enter(c)
	g.SetContext(c)
	l.add(c)
	l.reactor.open.Add(1)
	return c
}

// accept takes in a connection that came from ln.
func (l *Loop) accept(g gnet.Conn, ln *listener) {
	l.stats.accepted.Add(1)
	c := l.newConn(g, ln)
	l.reactor.gate.check()
	c.filter = newFilter(c, ln)
	if c.filter != nil {
		c.setDeadlineIn(l.reactor.config.HandshakeTimeout)
		return
	}
	l.begun(c)
}

// begun opens the session of a connection that waits for no filter, now or as soon as the Loop runs
// code of others again.
func (l *Loop) begun(c *Conn) {
	if l.taking.Load() {
		c.Handle().Post((*Conn).openUnlessOpen)
		return
	}
	l.guarded(c, (*Conn).openUnlessOpen)
}

func (c *Conn) openUnlessOpen() {
	if c.session == nil && c.mode == modeOpen {
		c.open()
		c.Touch()
	}
}

// guarded runs something on a connection's path. A panic in it costs the connection only.
func (l *Loop) guarded(c *Conn, run func(*Conn)) {
	defer l.contain()
	l.current = c
	run(c)
	l.current = nil
}

// read takes what one read from the socket has brought.
func (l *Loop) read(c *Conn, in []byte) {
	if l.taking.Load() {
		c.hold(in)
		return
	}
	defer l.contain()
	l.current = c
	if c.unread() != nil {
		c.special.unread = append(c.special.unread, in...)
		c.catchUp()
	} else {
		c.feed(in)
	}
	l.current = nil
}

// lost is called within OnClose.
func (l *Loop) lost(c *Conn, err error) {
	switch {
	case err == nil:
		err = ErrStopped
		fallthrough
	case !finished(err):
		if l.taking.Load() {
			// gnet closes the descriptor; the session hears of it later.
			c.gnet, c.fd = nil, -1
			c.Handle().Post(func(c *Conn) { c.close(hungUp(err)) })
			return
		}
		l.guarded(c, func(c *Conn) { c.close(hungUp(err)) })
	case l.taking.Load(), c.onTheWay():
		if c.outlive(); !c.closed {
			c.Handle().Post((*Conn).peerFinished)
		}
	default:
		l.guarded(c, (*Conn).peerFinished)
	}
}

// sessionFor gives an accepted connection its session.
func (r *Reactor) sessionFor(c *Conn) Session {
	if r.config.Refuse != nil && r.config.MaxConnections > 0 && r.open.Load()-r.parting.Load() > int64(r.config.MaxConnections) {
		r.refused.Add(1)
		r.parting.Add(1)
		c.rarely().refused = true
		return r.config.Refuse(c)
	}
	return c.listener.config.Open(c)
}

// exitGoroutine ends the calling goroutine, of which nothing may be left to do.
func exitGoroutine() { runtime.Goexit() }
