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

// settleHere settles from a task of the cell's own loop: what waits runs now.
func (c *cell[T]) settleHere(v T, err error) {
	q := queue{loop: c.loop}
	c.settle(v, err, &q)
	q.run()
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

// Here is f with its continuations on r's loop: for a result that several
// requests share, which otherwise belongs to the loop of the one that began it.
func Here[T any](r *Request, f Future[T]) Future[T] { return on(r.Loop(), f) }

func on[T any](loop Loop, f Future[T]) Future[T] {
	if f.Ready() || f.cell.loop == loop {
		return f
	}
	t := &then[T, T]{from: f.cell, after: outcome[T]}
	t.loop, t.node.wake = loop, t
	if !f.cell.subscribe(&t.node) {
		return f
	}
	return t.future()
}

func outcome[T any](v T, err error) Future[T] { return Future[T]{value: v, err: err} }
