package app

import (
	"time"

	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// Here returns a future that completes with f but runs its continuations on r's
// loop, and fails as Sleep does if r ends first. Use it when several requests wait
// for one result: f alone runs all continuations on the loop of the request that
// began it, and holds every waiting request until it is complete. On the loop.
func Here[T any](r *Request, f Future[T]) Future[T] {
	if f.Ready() {
		return f
	}
	w := &wait[T]{from: f.cell, shared: true}
	w.loop, w.node.wake = r.Loop(), w
	w.bound.init(r, w)
	if !w.subscribe() {
		return f
	}
	w.bound.start()
	return w.future()
}

// Timeout returns a future that completes with f, or fails if f is pending after d, or
// as Sleep does if r ends first. The failure after d names d; errors.Is takes it for
// ErrDeadline, and as a response it is 503. A result that comes later is dropped; a
// response is closed. On the loop.
func Timeout[T any](r *Request, d time.Duration, f Future[T]) Future[T] {
	if f.Ready() {
		return f
	}
	w := &timedWait[T]{wait: wait[T]{from: f.cell}, limit: d}
	w.loop, w.node.wake = r.Loop(), &w.wait
	w.bound.init(r, w)
	if !w.subscribe() {
		return f
	}
	w.bound.startTimer(d)
	return w.future()
}

// timedWait is a wait whose failure at its timer names the limit.
type timedWait[T any] struct {
	wait[T]
	limit time.Duration
}

// cut implements bounded.
func (w *timedWait[T]) cut(cause error, q *queue) {
	if q != nil {
		cause = timeoutError{w.limit}
	}
	w.wait.cut(cause, q)
}

// wait is a future that completes with another one on its own loop, unless its bound
// ends it first. It belongs to its loop.
type wait[T any] struct {
	cell[T]
	node   node
	from   *cell[T]
	bound  bound
	shared bool // the result belongs to others: it is not dropped when it comes late
}

// subscribe waits for the result. It reports false if that is there already.
func (w *wait[T]) subscribe() bool {
	w.node.far = w.loop != w.from.loop
	return w.from.subscribe(&w.node)
}

func (w *wait[T]) woken(q *queue) {
	if q.loop == w.loop {
		w.arrive(q)
		return
	}
	q.at(w.loop, w.arrive)
}

func (w *wait[T]) arrive(q *queue) {
	w.bound.stop()
	if !w.settle(w.from.value, w.from.err, q) && !w.shared {
		drop(w.from.value)
		w.from.dropped()
	}
}

// cut implements bounded.
func (w *wait[T]) cut(cause error, q *queue) {
	var zero T
	if !w.settle(zero, cause, q) {
		return
	}
	if w.shared {
		w.from.forget(&w.node)
	} else {
		abandon(w.from, &w.node)
	}
}

// bound ends something that waits when its request ends, or when a timer fires.
// What waits embeds it, and calls init before anything can wake it. It is started and
// stopped on the loop. If the loop is taken over while user code starts it, tasks of the
// new loop run at the same time as that goroutine: r and who are not written any more
// then, and the lock of the request's list publishes timer.
type bound struct {
	r     *Request
	who   bounded
	entry ending.Entry // in the request's list
	timer Timer        // nil: none
}

// bounded waits within a bound.
type bounded interface {
	// cut ends the waiting. It is called at most once for each start: with ErrDeadline
	// and the loop's queue in a task of the loop, or with the cause of the request's
	// end and a nil queue on the goroutine that ends it, so that cut runs no user code
	// then.
	cut(cause error, q *queue)
}

// init sets the request to whose end who is bound.
func (b *bound) init(r *Request, who bounded) { b.r, b.who = r, who }

// start binds to the request's end. A request that has ended cuts at once.
func (b *bound) start() {
	if !b.r.attach(&b.entry, b) {
		b.Ended(b.r.cause())
	}
}

// startTimer binds to the request's end and to the time d from now.
func (b *bound) startTimer(d time.Duration) {
	if !b.r.isGone() {
		b.timer = b.r.Loop().After(d, b.expire)
	}
	b.start()
}

// stop ends the bound without a cut. One without a request has nothing to end.
func (b *bound) stop() {
	if b.r != nil && b.r.detach(&b.entry) && b.timer != nil {
		b.timer.Stop()
	}
}

// Ended implements ending.Listener.
func (b *bound) Ended(cause error) {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.who.cut(cause, nil)
}

// expire is a task of the loop.
func (b *bound) expire() {
	if !b.r.detach(&b.entry) {
		// The request's end cuts, now or, on a loop that was taken over before start
		// came to the list, later.
		return
	}
	q := queue{loop: b.r.Loop()}
	b.who.cut(ErrDeadline, &q)
	q.run()
}
