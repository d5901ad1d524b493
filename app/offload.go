package app

import "context"

// Offload runs work that keeps a disk or a processor busy (files, SQLite, compression,
// password hashes) in the server's bounded pool, and returns a future with its result,
// whose continuations run on r's loop. Calls that wait for the network belong into Go,
// where they do not take the few places of the pool.
//
// If the pool's queue is full, the future fails at once with ErrPoolFull, which as a
// response is 503. ctx is the context of r. Work that has not started when r ends is not
// started; its future fails with the cause. A panic of work is a failure. A failure that
// nobody waits for is logged. Any goroutine.
func Offload[T any](r *Request, work func(ctx context.Context) (T, error)) Future[T] {
	return OffloadTo(r, r.Pool(), work)
}

// OffloadTo is Offload for a pool of the application, which bounds one kind of work apart
// from all other. Its Submit may return an error other than ErrPoolFull, with which the
// future then fails. Any goroutine.
func OffloadTo[T any](r *Request, pool Pool, work func(ctx context.Context) (T, error)) Future[T] {
	return offload(r, pool.Submit, work)
}

// Go calls call in a goroutine of its own, and returns a future with its result, whose
// continuations run on r's loop. It is for calls that wait: for a database, another
// service, a lock. Work that keeps a disk or a processor busy belongs into Offload.
//
// The server bounds the number of these goroutines. Beyond it the future fails at once
// with ErrPoolFull, which as a response is 503. ctx is the context of r: it ends when the
// peer leaves or the deadline passes. If r has ended before call could start, it is not
// called, and the future fails with the cause. A panic of call is a failure. A failure
// that nobody waits for is logged. Any goroutine.
func Go[T any](r *Request, call func(ctx context.Context) (T, error)) Future[T] {
	return offload(r, r.startCall, call)
}

// startCall runs call in a goroutine, or returns ErrPoolFull.
func (r *Request) startCall(call func()) error {
	if c, ok := r.exchange.(caller); ok {
		return c.Call(call)
	}
	r.spawn(call)
	return nil
}

// offload passes work to start, which runs it in another goroutine or fails.
func offload[T any](r *Request, start func(func()) error, work func(ctx context.Context) (T, error)) Future[T] {
	if r.isGone() {
		return Failed[T](r.cause())
	}
	c := &cell[T]{loop: r.Loop()}
	c.marks.Store(markWork)
	ctx := r.Context()
	err := start(func() {
		var v T
		err := errExited
		defer func() { c.settle(v, err, nil) }()
		if r.isGone() {
			err = context.Cause(ctx)
			return
		}
		v, err = guardedWork(ctx, work)
	})
	if err != nil {
		return Failed[T](err)
	}
	return c.future()
}

func guardedWork[T any](ctx context.Context, work func(context.Context) (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return work(ctx)
}
