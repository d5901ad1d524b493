package app

import "sync/atomic"

// Await blocks until f is ready, and returns its result, or until r ends: its peer leaves,
// its deadline passes or its response is complete. Then it returns the cause. Any
// goroutine but that of r's loop, which would wait for itself: there it returns ErrOnLoop.
func Await[T any](r *Request, f Future[T]) (T, error) {
	if f.Ready() {
		return f.Result()
	}
	if isOn(r.Loop()) {
		var zero T
		return zero, ErrOnLoop
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

// isOn reports whether the caller runs on loop, as far as the loop knows.
func isOn(loop Loop) bool {
	l, ok := loop.(located)
	return ok && l.OnLoop()
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
