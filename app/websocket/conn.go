package websocket

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
)

// Conn is a socket for code that blocks, see Endpoint.Serve. Only one goroutine may
// read at a time; any number may write. A blocked method returns the context's cause
// when its context ends, and a Closed, which errors.Is takes for ErrClosed, when the
// socket ends.
type Conn struct {
	s  *Socket
	mu sync.Mutex
	// over is the reason why the socket has ended; nil before.
	over error
	// finished is set when Serve has returned: nobody reads any more.
	finished bool

	inbound
	outbound
}

// The bounds of what is queued between the loop and the goroutines in each direction:
// the faster side waits from the high one until the low one is reached.
const (
	connHigh      = 64 << 10 // bytes
	connLow       = 16 << 10
	connHighCount = 256 // pieces of messages, or calls
	connLowCount  = 64
)

// Socket returns the socket. Methods of it that belong on the loop, and Room.Join, are
// for functions posted to its loop.
func (c *Conn) Socket() *Socket { return c.s }

// serve starts the goroutine of Endpoint.Serve. On the loop.
func (s *Socket) serve() {
	c := &Conn{s: s}
	s.more().conn = c
	ctx := s.Context()
	run := func() { c.served(guardedServe(ctx, c)) }
	if spawner, ok := s.wire.(spawner); ok {
		spawner.Go(run)
	} else {
		go run()
	}
}

func guardedServe(ctx context.Context, c *Conn) (err error) {
	defer contained(&err)
	return c.s.endpoint.Serve(ctx, c)
}

// served closes the socket, after what was written, with Serve's result. Messages that
// still arrive are dropped.
func (c *Conn) served(err error) {
	c.partial.release(c.s.wire)
	c.mu.Lock()
	c.finished, c.pieces, c.bytes = true, nil, 0
	resume := c.held
	c.held = false
	c.mu.Unlock()
	if resume {
		c.s.Loop().Post(c.s.wire.Resume)
	}
	var closed Closed
	switch {
	case err == nil:
		closed.Code = CloseNormal
	case errors.As(err, &closed) && isCloseable(closed.Code, closed.Reason):
	default:
		c.put(order{do: func(s *Socket) app.Future[app.Done] {
			s.wire.Fail(err)
			return app.Ready(app.Done{})
		}})
		return
	}
	c.put(order{do: func(s *Socket) app.Future[app.Done] {
		s.Close(closed.Code, closed.Reason)
		return app.Ready(app.Done{})
	}})
}

// end wakes all waiting goroutines: the socket has ended. On the loop.
func (c *Conn) end(over Closed) {
	c.mu.Lock()
	c.over = over
	c.orders = nil
	gates := [...]*promise{c.arrived, c.roomy, c.free}
	c.arrived, c.roomy, c.free = nil, nil, nil
	c.mu.Unlock()
	for _, gate := range gates {
		open(gate)
	}
}

// until blocks until try, which is called with the lock held, returns true. Between
// two tries it waits at the gate, which is opened when another try may succeed.
func (c *Conn) until(ctx context.Context, gate **promise, try func() bool) error {
	for {
		c.mu.Lock()
		if try() {
			c.mu.Unlock()
			return nil
		}
		if c.over != nil {
			c.mu.Unlock()
			return c.over
		}
		if *gate == nil {
			*gate = newPromise(c.s.wire.Loop())
		}
		closed := *gate
		c.mu.Unlock()
		if err := c.wait(ctx, closed); err != nil {
			c.discard(gate, closed)
			return err
		}
	}
}

// discard opens a gate that a waiter leaves: it would hold memory of every waiter that
// has left. The others try again and make a new gate.
func (c *Conn) discard(gate **promise, closed *promise) {
	c.mu.Lock()
	if *gate == closed {
		*gate = nil
	}
	c.mu.Unlock()
	closed.Resolve(app.Done{})
}

// open wakes the goroutines that wait at the gate. On the loop.
func open(gate *promise) {
	if gate != nil {
		core.SettleHere(gate, nil)
	}
}

// wait blocks until the gate is open or ctx ends.
func (c *Conn) wait(ctx context.Context, gate *promise) error {
	w := &gateWait{c: c, opened: make(chan struct{})}
	if !core.Watch(gate, w.woken) {
		return nil
	}
	if spawner, ok := c.s.wire.(spawner); ok {
		spawner.Park()
	}
	select {
	case <-w.opened:
		return nil
	case <-ctx.Done():
		w.unpark()
		return context.Cause(ctx)
	}
}

// gateWait is a goroutine that waits at a gate.
type gateWait struct {
	c      *Conn
	ended  atomic.Bool
	opened chan struct{}
}

func (w *gateWait) woken() {
	w.unpark()
	close(w.opened)
}

// unpark is called by what wakes the goroutine: the gate, or the context.
func (w *gateWait) unpark() {
	if spawner, ok := w.c.s.wire.(spawner); ok && w.ended.CompareAndSwap(false, true) {
		spawner.Unpark()
	}
}
