//go:build linux

package reactor

import (
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// arrivalPause is the time until the next attempt to poll a socket for which the system lacked something.
const arrivalPause = 5 * time.Millisecond

// arrivals are sockets for the engine of a Loop that it has not accepted itself: of connections that move, whose engine
// was replaced, that were dialled, or that another goroutine has accepted.
type arrivals struct {
	mu     sync.Mutex
	queue  []*arrival // not offered to the engine yet
	closed bool
}

// arrival is one socket.
type arrival struct {
	conn *Conn // one that exists

	fresh    int // otherwise the descriptor; -1 while it is dialled
	listener *listener
	dialling *dialling // of a dialled one

	counted *Reactor // as arriving
}

// Descriptor implements engine.Arrival.
func (a *arrival) Descriptor() int {
	switch {
	case a.conn == nil:
		return a.fresh
	case a.conn.Closed():
		return -1
	default:
		return int(a.conn.fd)
	}
}

// count counts a socket without a Conn as arriving. It counts no more once it has one, or never will.
func (a *arrival) count(l *Loop) {
	if a.conn == nil && a.counted == nil {
		a.counted = l.reactor
		a.counted.arriving.Add(1)
		a.counted.gate.check()
	}
}

func (a *arrival) countOff() {
	if a.counted != nil {
		a.counted.arriving.Add(-1)
		a.counted.left()
	}
}

// add has sockets polled soon. On any goroutine.
func (in *arrivals) add(l *Loop, arrivals ...*arrival) {
	if in.enqueue(l, arrivals) {
		l.Post(l.offerArrivals)
	}
}

// enqueue adds sockets for offerArrivals, and reports whether that is to be called. It drops them if the Loop has
// stopped. On any goroutine.
func (in *arrivals) enqueue(l *Loop, arrivals []*arrival) (first bool) {
	for _, a := range arrivals {
		a.count(l)
	}
	in.mu.Lock()
	closed := in.closed
	if !closed {
		first = len(in.queue) == 0 && len(arrivals) > 0
		in.queue = append(in.queue, arrivals...)
	}
	in.mu.Unlock()
	if closed {
		for _, a := range arrivals {
			a.drop(l, ErrStopped)
		}
	}
	return first
}

// offerArrivals hands what was added to the engine.
func (l *Loop) offerArrivals() {
	in := &l.arrivals
	in.mu.Lock()
	queue := in.queue
	in.queue = nil
	in.mu.Unlock()
	e := l.engine.Load()
	for _, a := range queue {
		e.Adopt(a)
	}
}

// close drops what waits, and everything that is added later.
func (in *arrivals) close(l *Loop) {
	in.mu.Lock()
	in.closed = true
	queue := in.queue
	in.queue = nil
	in.mu.Unlock()
	for _, a := range queue {
		a.drop(l, ErrStopped)
	}
}

// drop gives up a socket that has no Conn yet. One that has is closed with its Loop.
func (a *arrival) drop(l *Loop, err error) {
	if a.conn == nil && a.fresh >= 0 {
		_ = unix.Close(a.fresh)
	}
	if a.dialling != nil {
		a.dialling.failed(l, err)
	}
	a.countOff()
}

// rejected decides whether a socket that cannot be polled is offered again: if the system lacked something that others
// may give back.
func (a *arrival) rejected(l *Loop, err error) {
	if scarce(err) {
		l.AfterFunc(arrivalPause, func() { l.arrivals.add(l, a) })
		return
	}
	l.reactor.log.Warn("connection lost on its way to a loop", zap.Int("loop", l.index), zap.Error(err))
	if a.conn != nil {
		l.guarded(a.conn, func(c *Conn) { c.close(err) })
		return
	}
	a.drop(l, err)
}

// scarce reports whether err is the lack of something that others may give back.
func scarce(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) ||
		errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOSPC)
}

// adopt makes a polled socket a connection of the Loop.
func (l *Loop) adopt(a *arrival, s engine.Socket, fd int) *Conn {
	if a.conn == nil {
		c := l.newConn(s, fd, a.listener)
		a.countOff()
		_ = unix.Close(a.fresh)
		if a.dialling != nil {
			c.ensureRare().dialling = a.dialling
		}
		l.start(c)
		return c
	}
	c := a.conn
	l.writable.forget(c)
	_ = unix.Close(int(c.fd))
	c.socket, c.fd = s, int32(fd)
	c.polling = pollReading
	c.extendDeadline(int64(l.Age()))
	l.stats.movedIn.Add(1)
	if c.onTheWay() {
		l.guarded(c, (*Conn).arrived)
		return c
	}
	c.presentAgain()
	c.Touch()
	return c
}

// displaced takes a connection whose engine polls it no more back to that engine, with the descriptor that it has now.
func (l *Loop) displaced(c *Conn, fd int) {
	l.writable.forget(c)
	c.socket, c.fd, c.polling = nil, int32(fd), pollMoving
	l.arrivals.add(l, &arrival{conn: c})
}
