package app

import "github.com/gatewheel/gatewheel/app/internal/ending"

// Here is f with its continuations on r's loop, for as long as r lasts: for a result
// that several requests share, which otherwise belongs to the loop of the one that
// began it, and holds all who wait until it is there. When r is over first, it fails
// as Sleep does. On the loop.
func Here[T any](r *Request, f Future[T]) Future[T] {
	switch {
	case f.Ready():
		return f
	case r.isGone():
		return Failed[T](r.cause())
	}
	h := &here[T]{r: r, from: f.cell}
	h.loop, h.node.wake = r.Loop(), h
	h.node.far = h.loop != f.cell.loop
	if !f.cell.subscribe(&h.node) {
		return f
	}
	if !r.attach(&h.ending, h) {
		h.Over(r.cause())
	}
	return h.future()
}

type here[T any] struct {
	cell[T]
	node   node
	ending ending.Entry
	from   *cell[T]
	r      *Request
}

func (h *here[T]) woken(q *queue) {
	h.r.detach(&h.ending)
	h.settle(h.from.value, h.from.err, q)
}

// Over implements ending.Ender. It leaves the result alone when it comes, whatever it is: it belongs to others.
func (h *here[T]) Over(cause error) {
	var zero T
	if h.settle(zero, cause, nil) {
		h.from.forget(&h.node)
	}
}
