//go:build linux

package reactor

import (
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// arrivalPause is the time until the next attempt to poll a socket that the engine has rejected for a shortage of
// descriptors or memory.
const arrivalPause = 5 * time.Millisecond

// arrivals is the queue of sockets that the engine of a Loop is to poll and has not accepted itself. Their connections
// have moved, were dialled, were accepted by another goroutine, or have lost their engine. Safe for concurrent use.
type arrivals struct {
	mu     sync.Mutex
	queue  []*arrival // not offered to the engine yet
	closed bool
}

// arrival is one socket: of an existing Conn, or a descriptor that gets one when it is polled.
type arrival struct {
	conn *Conn // the existing connection; nil: none yet

	fresh    int // without conn, the descriptor
	listener *listener

	counted *Reactor // whose number of arriving sockets includes this one; nil: none
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

// count counts a socket without a Conn as arriving, until countOff.
func (a *arrival) count(l *Loop) {
	if a.conn == nil && a.counted == nil {
		a.counted = l.reactor
		a.counted.arriving.Add(1)
		a.counted.gate.check()
	}
}

// countOff ends the count: the socket has a Conn, or was dropped.
func (a *arrival) countOff() {
	if a.counted != nil {
		a.counted.arriving.Add(-1)
		a.counted.presentDecreased()
	}
}

// add queues sockets for the engine of l and wakes l. On any goroutine.
func (in *arrivals) add(l *Loop, arrivals ...*arrival) {
	if in.enqueue(l, arrivals) {
		l.Post(l.offerArrivals)
	}
}

// enqueue queues sockets. first reports that the queue was empty: the caller must have offerArrivals called. A Loop that
// has stopped drops them. On any goroutine.
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
			a.drop(l.reactor)
		}
	}
	return first
}

// offerArrivals passes the queued sockets to the engine. On the loop.
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

// close drops the queued sockets, and those that are added later.
func (in *arrivals) close(l *Loop) {
	in.mu.Lock()
	in.closed = true
	queue := in.queue
	in.queue = nil
	in.mu.Unlock()
	for _, a := range queue {
		a.drop(l.reactor)
	}
}

// drop turns away and closes a socket without a Conn. A socket with a Conn is closed with its Loop.
func (a *arrival) drop(r *Reactor) {
	if a.conn == nil {
		_ = r.turnAway(a.fresh, a.listener)
		_ = unix.Close(a.fresh)
	}
	a.countOff()
}

// rejected handles a socket that the engine cannot poll: after a shortage it is queued again, and a shortage that lasts
// costs a connection; otherwise it is closed with err. On the loop.
func (a *arrival) rejected(l *Loop, err error) {
	if engine.Scarce(err) {
		if l.shortage.lasts(l.elapsed(), l.reactor.config.shortagePatience) {
			l.shed(1)
		}
		l.AfterFunc(arrivalPause, func() { l.arrivals.add(l, a) })
		return
	}
	l.reactor.log.Warn("connection lost on its way to a loop", zap.Int("loop", l.index), zap.Error(err))
	if a.conn != nil {
		l.guarded(a.conn, func(c *Conn) { c.close(err) })
		return
	}
	a.drop(l.reactor)
}

// adopt makes the socket s, polled under the descriptor fd, a connection of the Loop. On the loop.
func (l *Loop) adopt(a *arrival, s engine.Socket, fd int) *Conn {
	l.shortage.over()
	if a.conn == nil {
		c := l.newConn(s, fd, a.listener)
		a.countOff()
		_ = unix.Close(a.fresh)
		l.start(c)
		return c
	}
	c := a.conn
	l.writable.forget(c)
	_ = unix.Close(int(c.fd))
	c.socket, c.fd = s, int32(fd)
	c.polling = pollReading
	c.extendDeadline(int64(l.Age()))
	if d := c.dialling(); d != nil && d.stage == DialConnect {
		l.guarded(c, func(c *Conn) { c.startDialled(d) })
		return c
	}
	l.stats.movedIn.Add(1)
	if c.inTransit() {
		l.guarded(c, (*Conn).arrived)
		return c
	}
	c.presentAgain()
	c.Touch()
	return c
}

// displaced has c polled again under fd, its new descriptor, after its engine has stopped polling it. On the loop.
func (l *Loop) displaced(c *Conn, fd int) {
	l.writable.forget(c)
	c.socket, c.fd, c.polling = nil, int32(fd), pollMoving
	l.arrivals.add(l, &arrival{conn: c})
}
