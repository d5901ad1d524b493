//go:build linux

package reactor

import (
	"errors"
)

// departure is a move to another Loop that is wanted or under way.
type departure struct {
	to      *Loop
	done    func(error)
	left    bool          // the old Loop
	waiting []func(*Conn) // tasks that came since
}

var errNotMovable = errors.New("reactor: the connection is closing, half-closed or moving already")

// MoveTo settles the connection on another Loop. Its session gets no further input before done was
// called on that Loop with nil, and may belong to none but that from then on; between MoveTo and
// done nothing of it must be used. done with an error is called on the present Loop, where the
// connection stays. What is posted by the connection's Handle runs after done, in its order. Input that waits,
// TLS and deadline move along. A connection that ends on the way, as when the other Loop has stopped,
// has Session.Closed called in done's place.
func (c *Conn) MoveTo(to *Loop, done func(error)) {
	switch {
	case c.closed:
		done(ErrClosed)
	case c.mode != modeOpen, c.gnet == nil, c.departing():
		done(errNotMovable)
	case to == c.loop.Load():
		done(nil)
	default:
		c.rarely().departure = &departure{to: to, done: done}
		c.Touch()
	}
}

func (c *Conn) departing() bool { return c.special != nil && c.special.departure != nil }

// onTheWay says that the connection has left its Loop and not arrived at the next.
func (c *Conn) onTheWay() bool { return c.departing() && c.special.departure.left }

// depart leaves the present Loop, at the end of a turn.
func (c *Conn) depart() {
	d := c.special.departure
	from := c.loop.Load()
	if c.moving {
		return // until its Loop's new engine has adopted it
	}
	err := errNotMovable
	fd := -1
	if c.gnet != nil && c.mode == modeOpen {
		fd, err = duplicate(int(c.fd))
	}
	if err != nil {
		c.settled(err)
		return
	}
	from.writable.forget(c)
	g := c.gnet
	c.gnet, c.fd = nil, int32(fd)
	c.moving, d.left = true, true
	g.SetContext(nil)
	_ = g.EventLoop().Close(g)
	from.timers.forget(c)
	from.remove(c)
	c.touched = false
	if !from.handOver(c, d.to) {
		from.add(c)
		c.close(ErrStopped)
		return
	}
	d.to.wake()
}

// welcome takes over a connection that has left its Loop.
func (l *Loop) welcome(c *Conn) {
	l.add(c)
	l.intake.add(l, &arrival{conn: c})
}

// settled ends a move, or the attempt: the connection lives again, wherever it is.
func (c *Conn) settled(err error) {
	d := c.special.departure
	c.special.departure = nil
	if c.deadline != 0 {
		c.loop.Load().timers.watch(c)
	}
	c.resumed = true
	c.Touch()
	if c.session == nil && c.mode == modeOpen && (c.filter == nil || c.filter.established()) {
		c.open()
	}
	d.done(err)
	for i, task := range d.waiting {
		switch {
		case c.closed:
			return
		case c.departing():
			next := c.special.departure
			next.waiting = append(next.waiting, d.waiting[i:]...)
			return
		}
		task(c)
	}
}

// arrived ends a move.
func (c *Conn) arrived() {
	if c.closed || !c.onTheWay() {
		return
	}
	c.settled(nil)
	if !c.closed {
		c.catchUp()
	}
}
