package app

import "sync/atomic"

// Await blocks until f is ready or r ends: its peer leaves, its deadline passes or its
// response is complete. Then it returns the cause. Any goroutine but a loop's, which
// would wait for itself.
func Await[T any](r *Request, f Future[T]) (T, error) {
	if f.Ready() {
		return f.Result()
	}
	w := &await[T]{r: r, arrived: make(chan struct{})}
	w.node.wake, w.node.far = w, true
	if !f.cell.subscribe(&w.node) {
		return f.Result()
	}
	r.park()
	select {
	case <-w.arrived:
		return f.Result()
	case <-r.lifetime().gone:
		if w.ended.CompareAndSwap(false, true) {
			w.r = nil
			f.cell.forget(&w.node)
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
