//go:build linux

package reactor

import (
	"errors"
)

// departure is a requested move to another Loop, or one in progress. It has three steps: the connection leaves its Loop
// and belongs to the next one (depart); the old Loop has run all tasks posted before (handOver); the new Loop adopts the
// socket (arrived). Tasks for the connection that either Loop takes from its inbox meanwhile wait, so that they run in
// the order in which they were posted.
type departure struct {
	to      *Loop
	done    func(error)
	left    bool          // the connection has left the old Loop
	waiting []func(*Conn) // tasks from before depart; the old Loop's until handOver
	later   []func(*Conn) // tasks from after depart
}

var errNotMovable = errors.New("reactor: the connection is closing, half-closed, dialled and not open, or moving already")

// MoveTo moves the connection to another Loop, and calls done there with nil. If it cannot move, done is called on the
// present Loop with the error, and the connection stays. Between MoveTo and done the session gets no input, and neither
// it nor the connection may be used. Tasks posted by the connection's Handle meanwhile run after done, in order. Kept
// input, TLS and the deadline move along. If the connection ends before it arrives, because the other Loop has stopped
// for example, Session.Closed is called and done is not.
func (c *Conn) MoveTo(to *Loop, done func(error)) {
	switch {
	case c.Closed():
		done(ErrClosed)
	case c.phase != phaseOpen, c.socket == nil, c.departing(), c.dialling() != nil:
		done(errNotMovable)
	case to == c.loop.Load():
		done(nil)
	default:
		c.ensureRare().departure = &departure{to: to, done: done}
		c.Touch()
	}
}

func (c *Conn) departing() bool { return c.rare != nil && c.rare.departure != nil }

// inTransit reports whether the connection has left its Loop and has not arrived at the next.
func (c *Conn) inTransit() bool { return c.departing() && c.rare.departure.left }

// depart takes the connection from its Loop, at the end of a turn.
func (c *Conn) depart() {
	d := c.rare.departure
	from := c.loop.Load()
	if c.polling == pollMoving {
		return // until its Loop's new engine has adopted it
	}
	err := errNotMovable
	fd := -1
	if c.socket != nil && c.phase == phaseOpen {
		fd, err = duplicate(int(c.fd))
	}
	if err != nil {
		c.endMove(err)
		return
	}
	r := c.ensureRare()
	if r.remote == nil {
		r.remote = c.RemoteAddr() // which the next engine does not know
	}
	from.writable.forget(c)
	s := c.socket
	c.socket, c.fd = nil, int32(fd)
	c.polling, d.left = pollMoving, true
	from.engine.Load().Close(s)
	from.timers.forget(c)
	from.remove(c)
	c.touched, c.postponed = false, false
	from.switchLoop(c, d.to)
}

// switchLoop makes c belong to another Loop. Handle.Post goes there from now on; handOver follows the last task here.
func (l *Loop) switchLoop(c *Conn, to *Loop) {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	c.loop.Store(to)
	in.tasks = append(in.tasks, task{run: func() { l.handOver(c, to) }, handle: c.Handle()})
	in.waiting.Store(int64(len(in.tasks)))
}

// handOver passes c to the Loop to. If that has stopped, c is closed on this Loop.
func (l *Loop) handOver(c *Conn, to *Loop) {
	if to.inbox.put(task{run: func() { to.adoptMoved(c) }, handle: c.Handle()}) {
		to.wake()
		return
	}
	c.loop.Store(l)
	l.add(c)
	c.closeContained(ErrStopped)
}

// adoptMoved adds a connection that has left another Loop, and has its socket polled.
func (l *Loop) adoptMoved(c *Conn) {
	l.add(c)
	l.arrivals.add(l, &arrival{conn: c})
}

// wait keeps a task until the move has ended.
func (d *departure) wait(task func(*Conn), l *Loop) {
	if d.left && l == d.to {
		d.later = append(d.later, task)
		return
	}
	d.waiting = append(d.waiting, task)
}

// endMove ends a move, or with err a failed one, on the connection's present Loop, and runs the tasks that waited.
func (c *Conn) endMove(err error) {
	d := c.rare.departure
	c.rare.departure = nil
	if c.deadline != 0 {
		c.loop.Load().timers.schedule(c)
	}
	c.input = inputAgain // also for input that Yield has postponed
	c.Touch()
	if c.session == nil && c.phase == phaseOpen && (c.filter == nil || c.filter.established()) {
		c.open()
	}
	d.done(err)
	waiting := append(d.waiting, d.later...)
	for i, task := range waiting {
		switch {
		case c.Closed():
			return
		case c.departing():
			next := c.rare.departure
			next.waiting = append(next.waiting, waiting[i:]...)
			return
		}
		task(c)
	}
}

// arrived ends a move on the new Loop.
func (c *Conn) arrived() {
	if c.Closed() || !c.inTransit() {
		return
	}
	c.endMove(nil)
}
