package app

import "time"

// Sleep is ready when d has passed. It holds no goroutine: the timer is the
// loop's. On the loop.
func Sleep(r *Request, d time.Duration) Future[Done] {
	if d <= 0 {
		return Ready(Done{})
	}
	c := &cell[Done]{loop: r.Loop()}
	c.loop.After(d, func() { c.settleHere(Done{}, nil) })
	return c.future()
}

// Timeout is f, or ErrDeadline when f is not ready after d. A result that comes
// later is dropped. On the loop.
func Timeout[T any](r *Request, d time.Duration, f Future[T]) Future[T] {
	if f.Ready() {
		return f
	}
	t := &timeout[T]{from: on(r.Loop(), f).cell}
	t.loop, t.node.wake = r.Loop(), t
	t.timer = t.loop.After(d, func() {
		var zero T
		t.settleHere(zero, ErrDeadline)
	})
	if !t.from.subscribe(&t.node) {
		t.timer.Stop()
		return f
	}
	return t.future()
}

type timeout[T any] struct {
	cell[T]
	node  node
	from  *cell[T]
	timer Timer
}

func (t *timeout[T]) woken(q *queue) {
	t.timer.Stop()
	if !t.settle(t.from.value, t.from.err, q) {
		drop(t.from.value)
	}
}
