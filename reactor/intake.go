//go:build linux

package reactor

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

const (
	// intakeBatch is how many connections are registered while the Loop holds everything else
	// back: some milliseconds.
	intakeBatch = 128
	// intakeFlight is how many registrations of one Loop are under way at once.
	intakeFlight = 8
	// flightShare is the part of the reserve for one registration: it takes three descriptors for
	// a moment, and engines, files and upstreams need some meanwhile.
	flightShare = 12
	// intakePause stands before another attempt at registrations that failed.
	intakePause = 5 * time.Millisecond
)

// intake brings sockets to a Loop by another way than its listeners: connections that move, or come
// back after their engine was replaced, that were dialled, or accepted in the Loop's place.
//
// gnet registers a connection by a goroutine that waits for the event loop. If that stalled with
// registrations under way, the goroutines and their descriptors would be lost with the engine. So
// connections are registered only while the Loop runs no code of others: between begun and end of
// a batch it adopts what is registered and holds everything else back.
type intake struct {
	mu     sync.Mutex
	queue  []*arrival
	over   chan struct{} // closed when the goroutine that registers has ended; nil: there is none
	closed bool

	window chan *engine // told when the Loop holds back
	asked  bool         // on the loop: somebody waits for that
}

// arrival is one socket that is to be registered. It is the context of its registration.
type arrival struct {
	conn *Conn // one that exists

	fresh    int // or else a descriptor that has none yet; -1: it is still to come
	listener *listener
	dialling *dialling // where no listener knows its session

	taken  bool // on the loop: adopted
	leaked bool // a fresh one some descriptor of which is out of reach

	counted *Reactor // as arriving
}

// count counts a socket without a Conn as arriving; counted off it is when it has one, or never
// will.
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

// add has a registered, at some time soon. From any goroutine.
func (in *intake) add(l *Loop, arrivals ...*arrival) {
	for _, a := range arrivals {
		a.count(l)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		for _, a := range arrivals {
			a.drop(l, ErrStopped)
		}
		return
	}
	in.queue = append(in.queue, arrivals...)
	if in.over == nil && len(in.queue) > 0 {
		in.over = make(chan struct{})
		go in.run(l)
	}
}

// drop gives up a socket that has no Conn yet. One that has is closed with its Loop.
func (a *arrival) drop(l *Loop, err error) {
	if a.conn == nil && a.fresh >= 0 {
		if a.leaked {
			_ = unix.Shutdown(a.fresh, unix.SHUT_RDWR)
		}
		_ = unix.Close(a.fresh)
	}
	if a.dialling != nil {
		a.dialling.failed(l, err)
	}
	a.countOff()
}

func (in *intake) run(l *Loop) {
	for {
		in.mu.Lock()
		n := min(len(in.queue), intakeBatch)
		batch := in.queue[:n:n]
		in.queue = in.queue[n:]
		if n == 0 {
			in.queue = nil
			close(in.over)
			in.over = nil
			in.mu.Unlock()
			return
		}
		in.mu.Unlock()

		e := in.begin(l)
		if e == nil {
			for _, a := range batch {
				a.drop(l, ErrStopped)
			}
			continue
		}
		again := register(e, batch)
		in.end(l)
		if len(again) > 0 {
			time.Sleep(intakePause) // for descriptors, or the next engine
			in.add(l, again...)
		}
	}
}

// begin waits until the Loop holds back. nil: it has stopped.
func (in *intake) begin(l *Loop) *engine {
	l.Post(func() {
		in.asked = true
		l.taking.Store(true)
	})
	select {
	case e := <-in.window:
		return e
	case <-l.stopped:
		return nil
	}
}

// begun is called at the end of a turn from which on the Loop holds back.
func (in *intake) begun(l *Loop) {
	if in.asked {
		in.asked = false
		in.window <- l.engine.Load()
	}
}

// end lets the Loop go on.
func (in *intake) end(l *Loop) {
	l.taking.Store(false)
	l.Post(l.release)
}

// release presents what was held back.
func (l *Loop) release() {
	for len(l.held) > 0 {
		last := len(l.held) - 1
		c := l.held[last]
		l.held[last] = nil
		l.held = l.held[:last]
		if c.loop.Load() == l && !c.closed {
			l.current = c
			c.catchUp()
			l.current = nil
		}
	}
	l.held = emptied(l.held)
}

// register registers a batch with e, and returns what has to be tried again.
func register(e *engine, batch []*arrival) (again []*arrival) {
	var mu sync.Mutex
	var flights sync.WaitGroup
	slots, shared := make(chan struct{}, intakeFlight), e.loop.reactor.flights
	for _, a := range batch {
		slots <- struct{}{}
		shared <- struct{}{}
		flights.Add(1)
		go func() {
			defer flights.Done()
			defer func() { <-shared; <-slots }()
			if err := a.register(e); err != nil {
				mu.Lock()
				again = append(again, a)
				mu.Unlock()
			}
		}()
	}
	flights.Wait()
	return again
}

// errEngineGone says that an engine died with a registration under way.
var errEngineGone = errors.New("reactor: engine ended during a registration")

// errNotAdopted says that a registration went through and came to nothing.
var errNotAdopted = errors.New("reactor: socket was registered but not polled")

// register brings one socket to e. An error means that it should be tried again.
func (a *arrival) register(e *engine) error {
	fd := a.fresh
	if a.conn != nil {
		if a.conn.closed {
			return nil
		}
		fd = int(a.conn.fd)
	}
	conn, err := netConn(fd)
	if err != nil {
		return a.failedBy(e, err)
	}
	// From here on gnet closes conn, unless it refuses at once.
	ctx := gnet.NewContext(gnet.NewNetConnContext(context.Background(), conn), a)
	registered, err := e.gnet.Register(ctx)
	if err != nil {
		_ = conn.Close()
		return err
	}
	select {
	case result := <-registered:
		err = result.Err
		if err == nil && !a.taken {
			err = errNotAdopted
		}
	case <-e.done:
		// What was adopted before is the next engine's by now.
		if !a.taken {
			err = errEngineGone
		}
	}
	if err == errEngineGone {
		_ = conn.Close()
		if a.conn != nil {
			a.conn.rarely().leaked = true
		}
		a.leaked = true
		return err
	}
	if err != nil {
		return a.failedBy(e, err)
	}
	return nil
}

// failedBy decides whether a failed registration is tried again: when it was not the socket's fault.
func (a *arrival) failedBy(e *engine, err error) error {
	if scarce(err) || err == errNotAdopted || e.ending() {
		return err
	}
	a.giveUp(e, err)
	return nil
}

// scarce says that err is for want of something that others may give back.
func scarce(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// giveUp closes a connection that cannot be registered. That a peer resets one on its way is nothing to warn of.
func (a *arrival) giveUp(e *engine, err error) {
	l := e.loop
	if !errors.Is(err, unix.ENOTCONN) {
		l.reactor.log.Warn("connection lost on its way to a loop", zap.Int("loop", l.index), zap.Error(err))
	}
	if a.conn != nil {
		// Not by its Handle: what is posted so waits until a move has ended.
		l.Post(func() { l.guarded(a.conn, func(c *Conn) { c.close(err) }) })
		return
	}
	a.drop(l, err)
}

// netConn makes a net.Conn of a duplicate of fd, which has a peer.
func netConn(fd int) (net.Conn, error) {
	dup, err := duplicate(fd)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(dup), "connection")
	defer file.Close()
	conn, err := net.FileConn(file)
	if _, ok := conn.(*net.TCPConn); ok {
		_ = keepAlive(dup) // net has set its own
	}
	if err == nil && conn.RemoteAddr() == nil {
		// The peer has reset the connection meanwhile. gnet takes it for granted that there is one.
		_ = conn.Close()
		return nil, os.NewSyscallError("getpeername", unix.ENOTCONN)
	}
	return conn, err
}

// adopt is called on the loop when a socket is registered.
func (l *Loop) adopt(g gnet.Conn, a *arrival) gnet.Action {
	l.begin()
	defer l.end()
	g.SetSafeContext(nil)
	a.taken = true
	if a.conn == nil {
		c := l.newConn(g, a.listener)
		a.countOff()
		_ = unix.Close(a.fresh)
		if a.leaked {
			c.rarely().leaked = true
		}
		if a.dialling != nil {
			c.rarely().dialling = a.dialling
		}
		if a.listener != nil {
			c.filter = newFilter(c, a.listener)
		}
		if c.filter != nil {
			c.setDeadlineIn(l.reactor.config.HandshakeTimeout)
		} else {
			l.begun(c)
		}
		return gnet.None
	}
	c := a.conn
	if c.closed || c.loop.Load() != l {
		g.SetContext(nil)
		return gnet.Close
	}
	g.SetContext(c)
	l.writable.forget(c)
	_ = unix.Close(int(c.fd))
	c.gnet, c.fd = g, int32(g.Fd())
	c.moving, c.deaf = false, false
	c.excuse(int64(l.Age()))
	l.stats.movedIn.Add(1)
	if c.onTheWay() {
		l.Post(func() { l.guarded(c, (*Conn).arrived) })
		return gnet.None
	}
	c.resumed = true
	c.Touch()
	return gnet.None
}

// close drops what waits. Nothing is registered any more once what it gives is closed, if that is
// anything.
func (in *intake) close(l *Loop) (over <-chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for _, a := range in.queue {
		a.drop(l, ErrStopped)
	}
	in.queue = nil
	return in.over
}
