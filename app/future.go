package app

// Future is a result that is ready or pending. It is a small value, and a ready one
// needs no memory of its own. The zero Future is ready with the zero T.
//
// Continuations (Then, After, Map, Catch, Finally, Done) of a ready future run inside
// the call. Those of a pending one run on the loop of the request that it belongs to,
// regardless of the goroutine that resolves it. Hence futures are combined on the
// loop: in a handler, a continuation or a callback. Here is for results that several
// requests share.
type Future[T any] struct {
	cell  *cell[T]
	value T
	err   error
}

// Ready returns a future that has its value. It does not allocate. Any goroutine.
func Ready[T any](v T) Future[T] { return Future[T]{value: v} }

// Failed returns a future that has failed; with a nil err it is ready with the zero T.
// It does not allocate. Any goroutine.
func Failed[T any](err error) Future[T] { return Future[T]{err: err} }

// Ready reports whether the future has its result. Any goroutine.
func (f Future[T]) Ready() bool { return f.cell == nil || f.cell.isSettled() }

// Result returns the result of a ready future. It panics if the future is pending. Any
// goroutine.
func (f Future[T]) Result() (T, error) {
	if f.cell == nil {
		return f.value, f.err
	}
	if !f.cell.isSettled() {
		panic("app: Result of a pending future")
	}
	f.cell.claim()
	return f.cell.value, f.cell.err
}

// Done calls fn with the result: at once if the future is ready, else on its loop. The
// server logs a panic of fn.
func (f Future[T]) Done(fn func(T, error)) {
	if f.cell != nil {
		s := &subscriber[T]{from: f.cell, fn: fn}
		s.node.wake = s
		if f.cell.subscribe(&s.node) {
			return
		}
	}
	fn(f.Result())
}

type subscriber[T any] struct {
	node node
	from *cell[T]
	fn   func(T, error)
}

func (s *subscriber[T]) woken(*queue) { s.fn(s.from.value, s.from.err) }

// Promise sets the result of a pending future.
type Promise[T any] struct{ cell[T] }

// Promised returns a promise and its future, whose continuations run on r's loop. Any
// goroutine.
func Promised[T any](r *Request) (*Promise[T], Future[T]) {
	return PromisedOn[T](r.Loop())
}

// PromisedOn is like Promised, for results that belong to no request. Continuations run
// on loop. Any goroutine.
func PromisedOn[T any](loop Loop) (*Promise[T], Future[T]) {
	p := &Promise[T]{}
	p.loop = loop
	return p, p.future()
}

// Future returns the future of the promise. Any goroutine.
func (p *Promise[T]) Future() Future[T] { return p.future() }

// Resolve sets the value of the future. It reports false, and drops v, if the future
// has a result already. Any goroutine.
func (p *Promise[T]) Resolve(v T) bool { return p.settle(v, nil, nil) }

// Fail makes the future fail with err. It reports false if the future has a result
// already. Any goroutine.
func (p *Promise[T]) Fail(err error) bool {
	var zero T
	return p.settle(zero, err, nil)
}

// Then calls next with the value of f and returns a future with the result of next's.
// If f fails, next is not called, and the failure is the result. A panic of next is a
// failure. On the loop.
func Then[T, U any](f Future[T], next func(T) Future[U]) Future[U] {
	if f.cell != nil {
		t := &then[T, U]{from: f.cell, next: next}
		t.inherit(f.cell.marks.Load())
		t.loop, t.node.wake = f.cell.loop, t
		if f.cell.subscribe(&t.node) {
			return t.future()
		}
	}
	v, err := f.Result()
	if err != nil {
		return Failed[U](err)
	}
	return guarded(v, next)
}

// guarded calls next and turns a panic into a failure. It does not stop a
// runtime.Goexit.
func guarded[T, U any](v T, next func(T) Future[U]) (f Future[U]) {
	defer rescue(&f)
	return next(v)
}

// rescue turns a panic into the failure of f. It must be deferred directly.
func rescue[T any](f *Future[T]) {
	if p := recover(); p != nil {
		*f = Failed[T](panicked(p))
	}
}

// then is the continuation of a pending future, and the cell of its result. It waits
// for its input, and then for the future that the continuation returns.
type then[T, U any] struct {
	cell[U]
	node  node
	from  *cell[T]
	inner *cell[U]
	next  func(T) Future[U]
	after func(T, error) Future[U] // in place of next, for failures too
}

func (t *then[T, U]) woken(q *queue) {
	var zero U
	switch {
	case t.inner != nil:
		t.settle(t.inner.value, t.inner.err, q)
	case t.after != nil:
		t.follow(guardedAfter(t.from.value, t.from.err, t.after), q)
	case t.from.err != nil:
		t.settle(zero, t.from.err, q)
	default:
		t.follow(guarded(t.from.value, t.next), q)
	}
}

// follow takes the result of f.
func (t *then[T, U]) follow(f Future[U], q *queue) {
	if f.cell != nil {
		t.inner = f.cell
		if f.cell.subscribe(&t.node) {
			return
		}
	}
	v, err := f.Result()
	t.settle(v, err, q)
}

// After is like Then, but calls next for failures too. On the loop.
func After[T, U any](f Future[T], next func(T, error) Future[U]) Future[U] {
	if f.cell != nil {
		t := &then[T, U]{from: f.cell, after: next}
		t.inherit(f.cell.marks.Load())
		t.loop, t.node.wake = f.cell.loop, t
		if f.cell.subscribe(&t.node) {
			return t.future()
		}
	}
	v, err := f.Result()
	return guardedAfter(v, err, next)
}

func guardedAfter[T, U any](v T, err error, next func(T, error) Future[U]) (f Future[U]) {
	defer rescue(&f)
	return next(v, err)
}

// Map is like Then, for a function that returns a result instead of a future. On the
// loop.
func Map[T, U any](f Future[T], next func(T) (U, error)) Future[U] {
	if f.Ready() {
		v, err := f.Result()
		if err != nil {
			return Failed[U](err)
		}
		return guardedMap(v, next)
	}
	return Then(f, func(v T) Future[U] { return guardedMap(v, next) })
}

func guardedMap[T, U any](v T, next func(T) (U, error)) (f Future[U]) {
	defer rescue(&f)
	u, err := next(v)
	return Future[U]{value: u, err: err}
}

// Catch calls next with the failure of f and returns a future with the result of
// next's. If f succeeds, next is not called. A panic of next is a failure. On the loop.
func Catch[T any](f Future[T], next func(error) Future[T]) Future[T] {
	if f.Ready() {
		v, err := f.Result()
		if err == nil {
			return Ready(v)
		}
		return guarded(err, next)
	}
	return After(f, func(v T, err error) Future[T] {
		if err == nil {
			return Ready(v)
		}
		return next(err)
	})
}

// Finally calls fn when f has its result, and returns a future with that result. A
// panic of fn is a failure. On the loop.
func Finally[T any](f Future[T], fn func()) Future[T] {
	return After(f, func(v T, err error) Future[T] {
		fn()
		return Future[T]{value: v, err: err}
	})
}

// on returns a future with the result of f whose continuations run on loop.
func on[T any](loop Loop, f Future[T]) Future[T] {
	if f.Ready() || f.cell.loop == loop {
		return f
	}
	t := &then[T, T]{from: f.cell, after: outcome[T]}
	t.loop, t.node.wake, t.node.far = loop, t, true
	if !f.cell.subscribe(&t.node) {
		return f
	}
	return t.future()
}

func outcome[T any](v T, err error) Future[T] { return Future[T]{value: v, err: err} }
