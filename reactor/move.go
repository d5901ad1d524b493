//go:build linux

package reactor

import (
	"errors"
)

// departure is a move to another Loop that is wanted or under way.
type departure struct {
	to   *Loop
	done func(error)
}

var errNotMovable = errors.New("reactor: the connection is closing, half-closed or moving already")

// MoveTo settles the connection on another Loop. Its session gets no further input before done was
// called on that Loop with nil, and may belong to none but that from then on; between MoveTo and
// done nothing of it must be used. done with an error is called on the present Loop, where the
// connection stays. What was posted by the connection's Handle keeps its order. Input that waits,
// TLS and deadline move along.
func (c *Conn) MoveTo(to *Loop, done func(error)) {
	switch {
	case c.closed:
		done(ErrClosed)
	case c.mode != modeOpen, c.gnet == nil, c.departing():
		done(errNotMovable)
	case to == c.loop.Load():
		done(nil)
	default:
		c.rarely().departure = &departure{to, done}
		c.Touch()
	}
}

func (c *Conn) departing() bool { return c.special != nil && c.special.departure != nil }

// depart leaves the present Loop, at the end of a turn.
func (c *Conn) depart() {
	d := c.special.departure
	from := c.loop.Load()
	fd, err := duplicate(int(c.fd))
	if err != nil || c.mode != modeOpen {
		c.special.departure = nil
		c.resumed = true
		c.Touch()
		d.done(errors.Join(err, errNotMovable))
		return
	}
	from.writable.forget(c)
	g := c.gnet
	c.gnet, c.fd = nil, int32(fd)
	c.moving = true
	g.SetContext(nil)
	_ = g.EventLoop().Close(g)
	from.timers.forget(c)
	from.remove(c)
	c.touched = false
	from.handOver(c, d.to, task{run: func() { d.to.welcome(c) }})
	d.to.wake()
}

// welcome takes over a connection that has left its Loop.
func (l *Loop) welcome(c *Conn) {
	l.add(c)
	if c.deadline != 0 {
		l.timers.watch(c)
	}
	l.intake.add(l, &arrival{conn: c})
}

// arrived ends a move.
func (c *Conn) arrived() {
	d := c.special.departure
	c.special.departure = nil
	c.resumed = true
	c.Touch()
	d.done(nil)
}
