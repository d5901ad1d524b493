package app

// Future is a result that is there or will be. It is a small value; one that is
// ready needs no memory of its own. The zero Future is ready with the zero T.
//
// Continuations (Then, Catch, Map, Done) of a ready future run at once, inside
// the call; those of a pending one run on the loop of the request that it
// belongs to, whoever resolves it. Hence futures are combined on the loop: in a
// handler, a continuation or a callback. For requests that share a result,
// see Here.
type Future[T any] struct {
	cell  *cell[T]
	value T
	err   error
}

// Ready is a future that has its value. It allocates nothing.
func Ready[T any](v T) Future[T] { return Future[T]{value: v} }

// Failed is a future that has failed; with a nil err it is ready with the zero T. It
// allocates nothing.
func Failed[T any](err error) Future[T] { return Future[T]{err: err} }

// Ready tells whether the result is there. Any goroutine.
func (f Future[T]) Ready() bool { return f.cell == nil || f.cell.isSettled() }

// Result is the result of a ready future. It panics for a pending one.
func (f Future[T]) Result() (T, error) {
	if f.cell == nil {
		return f.value, f.err
	}
	if !f.cell.isSettled() {
		panic("app: Result of a pending future")
	}
	return f.cell.value, f.cell.err
}

// Done calls fn with the result: at once when it is there, else on the loop. A
// panic of fn is the loop's to handle.
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

// Promise is the side of a pending future that gives it its result.
type Promise[T any] struct{ cell[T] }

// Promised makes a promise and its future. Continuations run on r's loop.
func Promised[T any](r *Request) (*Promise[T], Future[T]) {
	return PromisedOn[T](r.Loop())
}

// PromisedOn is Promised for what belongs to no request: continuations run on that
// loop. Any goroutine.
func PromisedOn[T any](loop Loop) (*Promise[T], Future[T]) {
	p := &Promise[T]{}
	p.loop = loop
	return p, p.future()
}

// Future is the promise's future. Any goroutine.
func (p *Promise[T]) Future() Future[T] { return p.future() }

// Resolve gives the future its value and tells whether this was the first
// result; later ones are dropped. Any goroutine.
func (p *Promise[T]) Resolve(v T) bool { return p.settle(v, nil, nil) }

// Fail makes the future fail, as Resolve makes it succeed. Any goroutine.
func (p *Promise[T]) Fail(err error) bool {
	var zero T
	return p.settle(zero, err, nil)
}

// Then continues with the value: the result is that of the future that next
// returns. A failure passes by next. A panic of next is a failure.
func Then[T, U any](f Future[T], next func(T) Future[U]) Future[U] {
	if f.cell != nil {
		t := &then[T, U]{from: f.cell, next: next}
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

// guarded calls next; its panic is a failure. A goroutine that is ended inside
// (runtime.Goexit) passes through: recover gives nil then.
func guarded[T, U any](v T, next func(T) Future[U]) (f Future[U]) {
	defer rescue(&f)
	return next(v)
}

// rescue is to be deferred itself: it makes a panic the future's failure.
func rescue[T any](f *Future[T]) {
	if p := recover(); p != nil {
		*f = Failed[T](panicked(p))
	}
}

// then is the continuation of a pending future, and the cell of its result. It
// waits twice at most: for its input, and for what the continuation returns.
type then[T, U any] struct {
	cell[U]
	node  node
	from  *cell[T]
	inner *cell[U]
	next  func(T) Future[U]
	after func(T, error) Future[U] // in place of next: failures too
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

// follow makes f's result this one's.
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

// After continues with the result, be it a value or a failure. A panic of next
// is a failure.
func After[T, U any](f Future[T], next func(T, error) Future[U]) Future[U] {
	if f.cell != nil {
		t := &then[T, U]{from: f.cell, after: next}
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

// Map continues with the value by a function that needs no future.
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

// Catch continues after a failure: the result is that of the future that next
// returns. A value passes by next.
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

// Finally calls fn when f has its result, whatever that is, and passes it on. A
// panic of fn is a failure.
func Finally[T any](f Future[T], fn func()) Future[T] {
	return After(f, func(v T, err error) Future[T] {
		fn()
		return Future[T]{value: v, err: err}
	})
}

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
