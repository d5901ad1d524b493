package app

import (
	"os"
	"sync/atomic"
	"time"
)

// errand is what a goroutine of a request asks of the request's loop, one thing
// at a time, while it waits. The goroutine waits for no longer than the request
// lasts; hence whoever takes the errand out of the state asked owns it:
//
//	idle ─do→ asked ─attempt→ trying ─→ asked (has to wait: attempt is called again)
//	                          trying ─→ idle  (done)
//	                          trying ─attempt→ again ─→ trying (ready before it was waited for)
//	          asked ─gone, expire→ idle (given up; a late attempt finds nothing asked)
//	          trying, again ─gone→ left ─→ idle (given up when the attempt has ended)
type errand struct {
	r        *Request
	state    atomic.Uint32
	try      func(ready func()) (n int, wait bool, err error) // on the loop
	attempt  func()                                           // e.run, made once
	done     chan struct{}
	n        int
	err      error
	deadline atomic.Pointer[time.Time]
	timer    Timer
}

const (
	errandIdle uint32 = iota
	errandAsked
	errandTrying
	errandAgain
	errandLeft
)

func (e *errand) init(r *Request, try func(ready func()) (int, bool, error)) {
	e.r, e.try, e.done = r, try, make(chan struct{}, 1)
	e.attempt = e.run
}

// do asks and waits. Not on the loop.
func (e *errand) do() (int, error) {
	gone := e.r.lifetime().gone
	select {
	case <-gone:
		return 0, e.r.cause()
	default:
	}
	e.state.Store(errandAsked)
	e.r.Loop().Post(e.attempt)
	e.r.park()
	select {
	case <-e.done:
		return e.n, e.err
	case <-gone:
		return e.giveUp()
	}
}

// giveUp ends the waiting for a request that is over. It waits for the end of an
// attempt that is under way, which uses memory of the goroutine's: for ever if that
// stalls its loop and never comes back.
func (e *errand) giveUp() (int, error) {
	for {
		switch state := e.state.Load(); state {
		case errandAsked:
			if e.state.CompareAndSwap(errandAsked, errandIdle) {
				e.disarm()
				e.r.unpark()
				return 0, e.r.cause()
			}
		case errandTrying, errandAgain:
			if e.state.CompareAndSwap(state, errandLeft) {
				<-e.done
				return e.n, e.err
			}
		default:
			<-e.done
			return e.n, e.err
		}
	}
}

// run is a task of the loop, and the callback of what it waits for: that may call
// it from inside try, when it has become ready meanwhile.
func (e *errand) run() {
	if !e.state.CompareAndSwap(errandAsked, errandTrying) {
		e.state.CompareAndSwap(errandTrying, errandAgain)
		return
	}
	returned := false
	defer func() {
		if !returned {
			// It has panicked, or its loop was taken away from it.
			e.finish(0, ErrPeerGone)
		}
	}()
	for {
		n, wait, err := e.try(e.attempt)
		if !wait {
			returned = true
			e.finish(n, err)
			return
		}
		e.arm()
		switch {
		case e.state.CompareAndSwap(errandTrying, errandAsked):
			returned = true
			return
		case e.state.CompareAndSwap(errandAgain, errandTrying):
		default:
			returned = true
			e.finish(0, e.r.cause())
			return
		}
	}
}

func (e *errand) finish(n int, err error) {
	e.disarm()
	e.n, e.err = n, err
	e.state.Store(errandIdle)
	e.r.unpark()
	e.done <- struct{}{}
}

func (e *errand) arm() {
	at := e.deadline.Load()
	if at == nil || at.IsZero() || e.timer != nil {
		return
	}
	e.timer = e.r.Loop().After(at.Sub(e.r.Loop().Now()), e.expire)
}

// disarm is for whoever owns the errand.
func (e *errand) disarm() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}

// expire is a task of the loop.
func (e *errand) expire() {
	if e.state.CompareAndSwap(errandAsked, errandTrying) {
		e.finish(0, os.ErrDeadlineExceeded)
	}
}

func (r *Request) spawn(f func()) {
	if s, ok := r.exchange.(spawner); ok {
		s.Go(f)
		return
	}
	go f()
}

func (r *Request) park() {
	if s, ok := r.exchange.(spawner); ok {
		s.Park()
	}
}

func (r *Request) unpark() {
	if s, ok := r.exchange.(spawner); ok {
		s.Unpark()
	}
}
