package app

import (
	"os"
	"sync/atomic"
	"time"
)

// loopCall is a call of a goroutine to the loop of its request, for which it waits. A
// goroutine makes one call at a time, and waits no longer than the request lasts; without
// a request, as long as the call takes. The one that takes the call out of the state posted
// owns it:
//
//	idle ─do→ posted ─run→ running ─→ posted   (has to wait; ready calls run again)
//	                       running ─→ idle     (done)
//	                       running ─run→ again ─→ running (ready was called inside try)
//	          posted ─giveUp, expire→ idle     (a later run finds nothing to do)
//	          running, again ─giveUp→ left ─→ idle (given up at the end of the attempt)
type loopCall struct {
	r        *Request // or nil
	loop     Loop
	state    atomic.Uint32
	try      func(ready func()) (n int, wait bool, err error) // on the loop
	attempt  func()                                           // run, as a value
	done     chan struct{}
	n        int
	err      error
	deadline atomic.Pointer[time.Time]
	timer    Timer
}

const (
	callIdle uint32 = iota
	callPosted
	callRunning
	callAgain
	callLeft
)

func (c *loopCall) init(r *Request, loop Loop, try func(ready func()) (int, bool, error)) {
	c.r, c.loop, c.try, c.done = r, loop, try, make(chan struct{}, 1)
	c.attempt = c.run
}

// do makes the call and waits. Any goroutine but the loop's, where it fails with ErrOnLoop.
func (c *loopCall) do() (int, error) {
	if isOn(c.loop) {
		return 0, ErrOnLoop
	}
	var gone chan struct{}
	if c.r != nil {
		gone = c.r.lifetime().gone
	}
	select {
	case <-gone:
		return 0, c.r.cause()
	default:
	}
	c.state.Store(callPosted)
	c.loop.Post(c.attempt)
	c.r.park()
	select {
	case <-c.done:
		return c.n, c.err
	case <-gone:
		return c.giveUp()
	}
}

// giveUp ends the call when the request has ended. It waits for the end of a running
// attempt, which uses memory of the goroutine; if that stalls its loop and never returns,
// it waits forever.
func (c *loopCall) giveUp() (int, error) {
	for {
		switch state := c.state.Load(); state {
		case callPosted:
			if c.state.CompareAndSwap(callPosted, callIdle) {
				c.disarm()
				c.r.unpark()
				return 0, c.r.cause()
			}
		case callRunning, callAgain:
			if c.state.CompareAndSwap(state, callLeft) {
				<-c.done
				return c.n, c.err
			}
		default:
			<-c.done
			return c.n, c.err
		}
	}
}

// run makes an attempt. It is a task of the loop, and the callback that try passes on,
// which may be called inside try.
func (c *loopCall) run() {
	if !c.state.CompareAndSwap(callPosted, callRunning) {
		c.state.CompareAndSwap(callRunning, callAgain)
		return
	}
	returned := false
	defer func() {
		if !returned {
			// try has panicked, or the loop was taken from it.
			c.finish(0, ErrPeerGone)
		}
	}()
	for {
		n, wait, err := c.try(c.attempt)
		if !wait {
			returned = true
			c.finish(n, err)
			return
		}
		c.arm()
		switch {
		case c.state.CompareAndSwap(callRunning, callPosted):
			returned = true
			return
		case c.state.CompareAndSwap(callAgain, callRunning):
		default:
			returned = true
			c.finish(0, c.r.cause())
			return
		}
	}
}

func (c *loopCall) finish(n int, err error) {
	c.disarm()
	c.n, c.err = n, err
	c.state.Store(callIdle)
	c.r.unpark()
	c.done <- struct{}{}
}

func (c *loopCall) arm() {
	at := c.deadline.Load()
	if at == nil || at.IsZero() || c.timer != nil {
		return
	}
	c.timer = c.loop.After(at.Sub(c.loop.Now()), c.expire)
}

// disarm stops the timer. Only the owner of the call may use it.
func (c *loopCall) disarm() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// expire is a task of the loop.
func (c *loopCall) expire() {
	if c.state.CompareAndSwap(callPosted, callRunning) {
		c.finish(0, os.ErrDeadlineExceeded)
	}
}

func (r *Request) spawn(f func()) {
	if s, ok := r.exchange.(spawner); ok {
		s.Go(f)
		return
	}
	go f()
}

// park and unpark do nothing for a nil request.
func (r *Request) park() {
	if r == nil {
		return
	}
	if s, ok := r.exchange.(spawner); ok {
		s.Park()
	}
}

func (r *Request) unpark() {
	if r == nil {
		return
	}
	if s, ok := r.exchange.(spawner); ok {
		s.Unpark()
	}
}
