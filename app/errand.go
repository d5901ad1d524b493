package app

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// errand is what a goroutine of a request asks of the request's loop, one thing
// at a time, while it waits. The goroutine waits for no longer than the request
// lasts; hence whoever takes the errand out of the state asked owns it:
//
//	idle ─do→ asked ─attempt→ trying ─→ asked (has to wait: attempt is called again)
//	                          trying ─→ idle  (done)
//	          asked ─gone, expire→ idle (given up; a late attempt finds nothing asked)
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

// giveUp ends the waiting for a request that is over, unless the loop is in the
// middle of an attempt: that is short, and touches the goroutine's memory.
func (e *errand) giveUp() (int, error) {
	for !e.state.CompareAndSwap(errandAsked, errandIdle) {
		select {
		case <-e.done:
			return e.n, e.err
		default:
			runtime.Gosched()
		}
	}
	e.r.unpark()
	return 0, e.r.cause()
}

// run is a task of the loop, and the callback of what it waits for.
func (e *errand) run() {
	if !e.state.CompareAndSwap(errandAsked, errandTrying) {
		return
	}
	n, wait, err := e.try(e.attempt)
	if wait {
		e.arm()
		e.state.Store(errandAsked)
		return
	}
	e.finish(n, err)
}

func (e *errand) finish(n int, err error) {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
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

func (e *errand) expire() {
	e.timer = nil
	if e.state.CompareAndSwap(errandAsked, errandTrying) {
		e.finish(0, os.ErrDeadlineExceeded)
	}
}

// cause is why the request is over.
func (r *Request) cause() error { return context.Cause(r.Context()) }

func (r *Request) spawn(f func()) {
	if s, ok := r.x.(Spawner); ok {
		s.Go(f)
		return
	}
	go f()
}

func (r *Request) park() {
	if s, ok := r.x.(Spawner); ok {
		s.Park()
	}
}

func (r *Request) unpark() {
	if s, ok := r.x.(Spawner); ok {
		s.Unpark()
	}
}

// Await blocks until f is ready or r is over (its peer gone, its deadline passed,
// its response complete). For goroutines, those of Blocking handlers above all;
// on a loop it would wait for itself.
func Await[T any](r *Request, f Future[T]) (T, error) {
	if f.Ready() {
		return f.Result()
	}
	w := &await[T]{r: r, arrived: make(chan struct{})}
	w.node.wake = w
	if !f.cell.subscribe(&w.node) {
		return f.Result()
	}
	r.park()
	select {
	case <-w.arrived:
		return f.Result()
	case <-r.lifetime().gone:
		if w.ended.CompareAndSwap(false, true) {
			r.unpark()
		}
		var zero T
		return zero, r.cause()
	}
}

type await[T any] struct {
	node    node
	r       *Request
	ended   atomic.Bool
	arrived chan struct{}
}

func (w *await[T]) woken(*queue) {
	if w.ended.CompareAndSwap(false, true) {
		w.r.unpark()
	}
	close(w.arrived)
}

// BodyReader is a Body for goroutines: an io.Reader that blocks.
type BodyReader struct {
	errand   errand
	body     *Body
	p        []byte
	trailers Fields
}

// Reader is the body as an io.Reader, for a Blocking handler or offloaded work:
// its Read blocks until content is there, the body has ended (io.EOF), or the
// request is over. It reads into the caller's memory. Not for the loop; one
// goroutine at a time.
func (b *Body) Reader() *BodyReader {
	if b.reader == nil {
		b.reader = &BodyReader{body: b}
		b.reader.errand.init(b.r, b.reader.try)
	}
	return b.reader
}

// Read implements io.Reader.
func (r *BodyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.p = p
	return r.errand.do()
}

func (r *BodyReader) try(ready func()) (int, bool, error) {
	if r.body.pending != nil {
		return 0, false, ErrBusy
	}
	n, err := r.body.take(r.p, ready)
	if err == io.EOF {
		r.trailers = r.body.r.Trailers()
	}
	return n, n == 0 && err == nil, err
}

// Trailers are the request's trailer fields, known when Read has returned io.EOF.
func (r *BodyReader) Trailers() Fields { return r.trailers }

// SetDeadline bounds reads that begin from now on: one that waits at t fails with
// os.ErrDeadlineExceeded and may be tried again. Zero: no bound.
func (r *BodyReader) SetDeadline(t time.Time) { r.errand.deadline.Store(&t) }
