package app_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// within runs body in a handler that answers with the result of its future.
func within[T any](t *testing.T, body func(r *app.Request) app.Future[T]) (*apptest.Host, *apptest.Call) {
	t.Helper()
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(body(r), func(v T) (*app.Response, error) { return text(fmt.Sprint(v)) })
	})
	return host, host.Do(apptest.Get("/"))
}

func after[T any](r *app.Request, d time.Duration, v T) app.Future[T] {
	return app.Map(app.Sleep(r, d), func(app.Done) (T, error) { return v, nil })
}

// later returns a future with v after d. Its timer outlives the request.
func later[T any](r *app.Request, d time.Duration, v T) app.Future[T] {
	p, f := app.Promised[T](r)
	r.Loop().After(d, func() { p.Resolve(v) })
	return f
}

var errTorn = app.Statusf(502, "torn")

func TestAll(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[[]int] {
		return app.All(after(r, 3, 1), app.Ready(2), after(r, 1, 3))
	})
	host.Advance(2)
	call.WantNoAnswer(t)
	host.Advance(1)
	call.Want(t, 200, "[1 2 3]")
}

func TestAllFailsWithTheFirstFailure(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[[]int] {
		failing := app.Then(app.Sleep(r, 2), func(app.Done) app.Future[int] { return app.Failed[int](errTorn) })
		return app.All(after(r, 10, 1), failing, app.Ready(2))
	})
	host.Advance(2)
	call.Want(t, 502, "torn\n")
	host.Advance(10)

	_, call = within(t, func(r *app.Request) app.Future[[]int] {
		return app.All(app.Ready(1), app.Failed[int](errTorn))
	})
	call.Want(t, 502, "torn\n")
}

func TestAllOfNothing(t *testing.T) {
	_, call := within(t, func(r *app.Request) app.Future[[]int] { return app.All[int]() })
	call.Want(t, 200, "[]")
	_, call = within(t, func(r *app.Request) app.Future[[]app.Outcome[int]] { return app.Collect[int](r, time.Second) })
	call.Want(t, 200, "[]")
}

func TestAllSettled(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[[]app.Outcome[int]] {
		return app.AllSettled(after(r, 1, 1), app.Failed[int](errTorn))
	})
	host.Advance(1)
	call.Want(t, 200, "[{1 <nil>} {0 502 torn}]")
}

// A fan-out of 10 calls, one of which never answers, is ready at its time limit.
func TestCollectKeepsEarlyResults(t *testing.T) {
	var late *app.Promise[int]
	host, call := within(t, func(r *app.Request) app.Future[int] {
		calls := make([]app.Future[int], 10)
		for i := range calls {
			calls[i] = after(r, time.Duration(i)*time.Millisecond, i)
		}
		late, calls[3] = app.Promised[int](r)
		return app.Map(app.Collect(r, time.Second, calls...), func(outcomes []app.Outcome[int]) (int, error) {
			sum := 0
			for i, o := range outcomes {
				if (o.Err != nil) != (i == 3) || o.Err != nil && !errors.Is(o.Err, context.DeadlineExceeded) {
					t.Errorf("%d: %v", i, o)
				}
				sum += o.Value
			}
			return sum, nil
		})
	})
	host.Advance(time.Second - 1)
	call.WantNoAnswer(t)
	host.Advance(1)
	call.Want(t, 200, "42")
	late.Resolve(100)
	host.Settle()
	call.Want(t, 200, "42")
}

func TestCollectEndsWithTheLastResult(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[[]app.Outcome[int]] {
		return app.Collect(r, time.Hour, after(r, 1, 1), app.Ready(2))
	})
	host.Advance(1)
	call.Want(t, 200, "[{1 <nil>} {2 <nil>}]")
	if host.Timers() != 0 {
		t.Fatal("the deadline's timer is still there")
	}
}

func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		takes   time.Duration
		status  int
		content string
	}{{0, 200, "1"}, {1, 200, "1"}, {2, 503, "no answer in time\n"}} {
		host, call := within(t, func(r *app.Request) app.Future[int] { return app.Timeout(r, 2, after(r, c.takes+c.takes/2, 1)) })
		host.Advance(1)
		host.Advance(1)
		call.Want(t, c.status, c.content)
		host.Advance(1)
		if host.Timers() != 0 {
			t.Errorf("%v: a timer is left", c.takes)
		}
	}
}

// The failure of Timeout names its limit, unlike that of the request's deadline.
func TestTimeoutNamesItsLimit(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[int] {
		return app.Timeout(r, 2*time.Second, after(r, time.Hour, 1))
	})
	host.Advance(2 * time.Second)
	if err := call.Err; err == nil || err.Error() != "app: not ready within 2s" || !errors.Is(err, app.ErrDeadline) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// Results of another loop are combined with ready ones.
func TestAllOverSeveralLoops(t *testing.T) {
	for range 200 {
		handler, _ := promising()
		there := apptest.New(handler)
		p, elsewhere := app.Promised[int](there.Do(apptest.Get("/")).Request)
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Resolve(1)
			there.Settle()
		}()
		fs := []app.Future[int]{elsewhere}
		for i := range 50 {
			fs = append(fs, app.Ready(i))
		}
		all := app.AllSettled(fs...)
		<-done
		there.Settle()
		if got, _ := all.Result(); len(got) != 51 || got[0].Value != 1 {
			t.Fatal(got)
		}
	}
}

func TestCatchAndFinally(t *testing.T) {
	var log []string
	note := func(s string) func() { return func() { log = append(log, s) } }
	host, call := within(t, func(r *app.Request) app.Future[string] {
		torn := app.Then(app.Sleep(r, 1), func(app.Done) app.Future[string] { return app.Failed[string](errTorn) })
		torn = app.Finally(torn, note("finally"))
		torn = app.Map(torn, func(s string) (string, error) { log = append(log, "skipped"); return s, nil })
		return app.Catch(torn, func(err error) app.Future[string] {
			return after(r, 1, "caught "+err.Error())
		})
	})
	host.Advance(2)
	call.Want(t, 200, "caught 502 torn")
	if fmt.Sprint(log) != "[finally]" {
		t.Fatalf("got %v", log)
	}
}

func TestWhileReadySteps(t *testing.T) {
	n := 0
	allocs := testing.AllocsPerRun(10, func() {
		n = 0
		app.While(func() app.Future[bool] { n++; return app.Ready(n < 100000) })
	})
	if n != 100000 || allocs > 2 {
		t.Fatalf("%d steps, %v allocations", n, allocs)
	}
}

func TestWhilePendingSteps(t *testing.T) {
	n := 0
	host, call := within(t, func(r *app.Request) app.Future[app.Done] {
		return app.While(func() app.Future[bool] {
			n++
			if n%3 == 0 {
				return after(r, 1, n < 3000)
			}
			return app.Ready(true)
		})
	})
	host.Advance(1000)
	call.Want(t, 200, "{}")
	if n != 3000 {
		t.Fatalf("%d steps", n)
	}
}

func TestWhileFails(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[app.Done] {
		return app.While(func() app.Future[bool] {
			return app.Then(app.Sleep(r, 1), func(app.Done) app.Future[bool] { return app.Failed[bool](errTorn) })
		})
	})
	host.Advance(1)
	call.Want(t, 502, "torn\n")
}

func TestLongChainNeedsNoDeepStack(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[int] {
		f := after(r, 1, 0)
		for range 100000 {
			f = app.Then(f, func(n int) app.Future[int] { return app.Ready(n + 1) })
		}
		return f
	})
	host.Advance(1)
	call.Want(t, 200, "100000")
}

func TestResultOfPendingFuturePanics(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		_, f := app.Promised[*app.Response](r)
		if f.Ready() {
			t.Error("a pending future says that it is ready")
		}
		f.Result()
		return f
	})
	host.Do(apptest.Get("/")).Want(t, 500, "Internal Server Error\n")
}

func TestDroppedResponsesAreClosed(t *testing.T) {
	for name, wait := range map[string]func(r *app.Request, late app.Answer) app.Answer{
		"timeout": func(r *app.Request, late app.Answer) app.Answer {
			return app.Timeout(r, 1, late)
		},
		"collect": func(r *app.Request, late app.Answer) app.Answer {
			return app.Map(app.Collect(r, 1, late), func([]app.Outcome[*app.Response]) (*app.Response, error) { return nil, errTorn })
		},
		"all, late": func(r *app.Request, late app.Answer) app.Answer {
			return app.Map(app.All(app.Fail(errTorn), late), func([]*app.Response) (*app.Response, error) { return nil, nil })
		},
		"all, early": func(r *app.Request, late app.Answer) app.Answer {
			torn := app.Then(app.Sleep(r, 5), func(app.Done) app.Answer { return app.Fail(errTorn) })
			return app.Map(app.All(late, torn), func([]*app.Response) (*app.Response, error) { return nil, nil })
		},
	} {
		closed := 0
		host := apptest.New(func(r *app.Request) app.Answer {
			return wait(r, later(r, 2, &app.Response{Status: 200, Content: &app.Stream{OnClose: func() { closed++ }}}))
		})
		call := host.Do(apptest.Get("/"))
		host.Advance(10)
		if call.Err == nil || closed != 1 {
			t.Errorf("%s: failure %v, closed %d times", name, call.Err, closed)
		}
	}
}
