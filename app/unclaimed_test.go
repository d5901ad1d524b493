package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// Work whose result nobody takes is logged if it fails.
func TestFailuresThatNobodyTakesAreReported(t *testing.T) {
	fails := func(context.Context) (int, error) { return 0, errTorn }
	panics := func(context.Context) (int, error) { panic("boom") }
	for name, c := range map[string]struct {
		handle func(r *app.Request)
		want   int
	}{
		"a failed call":           {func(r *app.Request) { app.Go(r, fails) }, 1},
		"a failed job":            {func(r *app.Request) { app.Offload(r, fails) }, 1},
		"a call that panics":      {func(r *app.Request) { app.Go(r, panics) }, 1},
		"a continuation of a job": {func(r *app.Request) { app.Map(app.Offload(r, fails), func(int) (int, error) { return 0, nil }) }, 1},
		"a continuation that panics": {func(r *app.Request) {
			app.Map(app.Sleep(r, time.Second), func(app.Done) (int, error) { panic("boom") })
		}, 1},
		"a job after its time limit": {func(r *app.Request) {
			p, f := app.Promised[app.Done](r)
			r.Loop().After(2*time.Second, func() { p.Resolve(app.Done{}) })
			work := app.Then(f, func(app.Done) app.Future[int] { return app.Offload(r, panics) })
			app.Timeout(r, time.Second, work).Done(func(int, error) {})
		}, 1},
		"the second failure of two": {func(r *app.Request) {
			app.All(app.Offload(r, fails), app.Offload(r, fails)).Done(func([]int, error) {})
		}, 1},
		"a failure that was handled": {func(r *app.Request) {
			app.Catch(app.Offload(r, fails), func(error) app.Future[int] { return app.Ready(0) })
		}, 0},
		"a failure that is taken later": {func(r *app.Request) {
			f := app.Offload(r, fails)
			r.Loop().After(time.Second, func() { f.Done(func(int, error) {}) })
		}, 0},
		"a result":            {func(r *app.Request) { app.Go(r, func(context.Context) (int, error) { return 1, nil }) }, 0},
		"a promise":           {func(r *app.Request) { p, _ := app.Promised[int](r); p.Fail(errTorn) }, 0},
		"a call that was cut": {func(r *app.Request) { app.Go(r, func(context.Context) (int, error) { return 0, context.Canceled }) }, 0},
	} {
		host := apptest.New(func(r *app.Request) app.Answer {
			c.handle(r)
			return app.Map(app.Sleep(r, 30*time.Second), func(app.Done) (*app.Response, error) { return text("ok") })
		})
		call := host.Do(apptest.Get("/"))
		host.Advance(time.Minute)
		call.Want(t, 200, "ok")
		if got := host.Reports(); len(got) != c.want {
			t.Errorf("%s: %d reports, want %d: %v", name, len(got), c.want, got)
		}
	}
}

// A panic after the request's deadline is not lost.
func TestPanicAfterTheDeadlineIsReported(t *testing.T) {
	var promise *app.Promise[int]
	host := apptest.New(func(r *app.Request) app.Answer {
		p, f := app.Promised[int](r)
		promise = p
		return app.Map(f, func(int) (*app.Response, error) { panic("late") })
	})
	host.Timeout = time.Second
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	call.Want(t, 503, "no answer in time\n")
	promise.Resolve(1)
	host.Advance(time.Minute)
	var panicked *app.PanicError
	if got := host.Reports(); len(got) != 1 || !errors.As(got[0], &panicked) || panicked.Value != "late" {
		t.Errorf("reports %v", got)
	}
}

// A call is not made for a request that has ended.
func TestGoIsNotStartedAfterTheEnd(t *testing.T) {
	began := false
	var failure error
	host := apptest.New(func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		r.Loop().After(time.Second, func() {
			app.Go(r, func(context.Context) (int, error) { began = true; return 0, nil }).
				Done(func(_ int, err error) { failure = err })
		})
		return never
	})
	host.Do(apptest.Get("/")).Leave()
	host.Advance(time.Second)
	if began || failure != app.ErrPeerGone {
		t.Errorf("began: %v, failure: %v", began, failure)
	}
}

func TestGoHasNoPool(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Go(r, func(context.Context) (*app.Response, error) { return text("came back") })
	})
	host.PoolQueue, host.HoldPool = 0, true
	host.Do(apptest.Get("/")).Want(t, 200, "came back")
}
