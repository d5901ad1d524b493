package app

import "context"

// Offload runs blocking work (a disk, a database, a computation) on the server's
// bounded pool and returns a future with its result, on r's loop. If the pool's queue
// is full it fails at once with ErrPoolFull, which as a response is 503. ctx is the
// context of r; work that has not started when r ends is not started. A panic of work
// is a failure. On the loop.
func Offload[T any](r *Request, work func(ctx context.Context) (T, error)) Future[T] {
	c := &cell[T]{loop: r.Loop()}
	ctx := r.Context()
	err := r.Pool().Submit(func() {
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
