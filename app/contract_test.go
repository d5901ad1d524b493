package app_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
)

// The tests of this file check what the documentation of package app promises.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promising returns a handler that answers with the value of a promise, and a function
// that returns the promise.
func promising() (app.Handler, func() *app.Promise[string]) {
	var promise *app.Promise[string]
	handler := func(r *app.Request) app.Answer {
		p, f := app.Promised[string](r)
		promise = p
		return app.Map(f, func(s string) (*app.Response, error) { return app.Text(200, s), nil })
	}
	return handler, func() *app.Promise[string] { return promise }
}

func text(s string) (*app.Response, error) { return app.Text(200, s), nil }

func TestReadyAnswersInTheSameTurn(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(app.Text(200, "hello"))
	})
	before := host.Loop(0).Posted
	host.Do(apptest.Get("/")).Want(t, 200, "hello")
	if posted := host.Loop(0).Posted - before; posted != 1 { // the request itself
		t.Fatalf("%d tasks were posted", posted-1)
	}
}

func TestResolveFrom64Goroutines(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	call := host.Do(apptest.Get("/"))
	call.WantNoAnswer(t)
	var first atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			if name := fmt.Sprint(i); promise().Resolve(name) {
				first.Add(1)
				winner.Store(name)
			}
		}()
	}
	close(start)
	wg.Wait()
	host.Settle()
	if first.Load() != 1 {
		t.Fatalf("%d calls were the first", first.Load())
	}
	call.Want(t, 200, winner.Load().(string))
}

func TestSubscribeWhileResolving(t *testing.T) {
	const rounds = 200
	var sum atomic.Int64
	for round := range int64(rounds) {
		host := apptest.New(func(r *app.Request) app.Answer {
			p, f := app.Promised[int](r)
			go p.Resolve(1)
			for range 8 {
				app.Map(f, func(n int) (int, error) { sum.Add(int64(n)); return n, nil })
				runtime.Gosched()
			}
			return app.Map(f, func(int) (*app.Response, error) { return text("") })
		})
		call := host.Do(apptest.Get("/"))
		for call.Status == 0 || sum.Load() < 8*(round+1) {
			runtime.Gosched()
			host.Settle()
		}
	}
	if sum.Load() != 8*rounds {
		t.Fatalf("%d continuations ran, want %d", sum.Load(), 8*rounds)
	}
}

func TestResolveTwiceDoesNothing(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	call := host.Do(apptest.Get("/"))
	if !promise().Resolve("first") || promise().Resolve("second") || promise().Fail(errors.New("third")) {
		t.Fatal("the first result must win, and only that")
	}
	host.Settle()
	call.Want(t, 200, "first")
}

func TestResolveAfterPeerLeftDoesNothing(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	call := host.Do(apptest.Get("/"))
	call.Leave()
	if context.Cause(call.Request.Context()) != app.ErrPeerGone {
		t.Fatalf("cause %v", context.Cause(call.Request.Context()))
	}
	promise().Resolve("late")
	host.Settle()
	call.WantNoAnswer(t)
	if len(host.Panics()) > 0 {
		t.Fatal(host.Panics())
	}
}

func TestUnresolvedPromiseIs503AtDeadline(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	host.Timeout = 5 * time.Second
	call := host.Do(apptest.Get("/"))
	host.Advance(5*time.Second - 1)
	call.WantNoAnswer(t)
	host.Advance(1)
	call.Want(t, 503, "no answer in time\n")
	if !errors.Is(call.Err, context.DeadlineExceeded) {
		t.Fatalf("failure %v", call.Err)
	}
	promise().Resolve("late")
	host.Settle()
	call.Want(t, 503, "no answer in time\n")
}

func TestLateResponseIsClosed(t *testing.T) {
	closed := 0
	host := apptest.New(func(r *app.Request) app.Answer {
		return later(r, time.Minute, &app.Response{Status: 200, Content: &app.Stream{OnClose: func() { closed++ }}})
	})
	host.Timeout = time.Second
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	call.Want(t, 503, "no answer in time\n")
	host.Advance(time.Minute)
	if closed != 1 {
		t.Fatalf("closed %d times", closed)
	}
}

func TestDeadlineEndsWithTheHead(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(app.Sleep(r, time.Hour), func(app.Done) app.Future[app.Done] {
				return w.WriteString("at last")
			})
		}))
	})
	host.Timeout = time.Second
	call := host.Do(apptest.Get("/"))
	host.Advance(59 * time.Minute)
	if call.Request.Context().Err() != nil {
		t.Fatal("the context has ended with the deadline")
	}
	host.Advance(time.Minute)
	call.Want(t, 200, "at last")
}

func TestDeadlineOfARoute(t *testing.T) {
	never := func(r *app.Request) app.Answer {
		_, f := app.Promised[*app.Response](r)
		return f
	}
	var routes router.Router
	routes.Handle("/short", middleware.Timeout(time.Second)(never))
	routes.Handle("/long", middleware.Timeout(time.Minute)(never))
	routes.Handle("/default", never)
	routes.Handle("/none", middleware.Timeout(0)(never))
	host := apptest.New(routes.Serve)
	host.Timeout = 10 * time.Second
	calls := map[string]*apptest.Call{}
	for _, path := range []string{"/short", "/long", "/default", "/none"} {
		calls[path] = host.Do(apptest.Get(path))
	}
	for _, step := range []struct {
		after time.Duration
		path  string
	}{{time.Second, "/short"}, {9 * time.Second, "/default"}, {50 * time.Second, "/long"}} {
		calls[step.path].WantNoAnswer(t)
		host.Advance(step.after)
		calls[step.path].Want(t, 503, "no answer in time\n")
	}
	host.Advance(24 * time.Hour)
	calls["/none"].WantNoAnswer(t)
}

func TestSetTimeoutWhileWaiting(t *testing.T) {
	var r *app.Request
	host := apptest.New(func(req *app.Request) app.Answer {
		r = req
		_, f := app.Promised[*app.Response](req)
		return f
	})
	host.Timeout = time.Second
	call := host.Do(apptest.Get("/"))
	r.SetTimeout(time.Minute)
	host.Advance(59 * time.Second)
	call.WantNoAnswer(t)
	host.Advance(time.Second)
	call.Want(t, 503, "no answer in time\n")
	if host.Timers() != 0 {
		t.Fatal(host)
	}
}

func TestPanicIs500(t *testing.T) {
	boom := func() *app.Response { panic("boom") }
	for name, handler := range map[string]app.Handler{
		"handler": func(*app.Request) app.Answer { return app.Ready(boom()) },
		"continuation": func(r *app.Request) app.Answer {
			return app.Map(app.Sleep(r, 1), func(app.Done) (*app.Response, error) { return boom(), nil })
		},
		"continuation of a ready future": func(*app.Request) app.Answer {
			return app.Then(app.Ready(1), func(int) app.Answer { return app.Ready(boom()) })
		},
		"continuation after a failure": func(*app.Request) app.Answer {
			return app.Catch(app.Fail(errors.New("x")), func(error) app.Answer { return app.Ready(boom()) })
		},
		"iteration": func(*app.Request) app.Answer {
			return app.Map(app.While(func() app.Future[bool] { boom(); return app.Ready(true) }),
				func(app.Done) (*app.Response, error) { return text("no") })
		},
		"offload": func(r *app.Request) app.Answer {
			return app.Offload(r, func(context.Context) (*app.Response, error) { return boom(), nil })
		},
		"goroutine": app.Blocking(func(*app.ResponseWriter, *app.Request) error { boom(); return nil }),
		"closing": func(r *app.Request) app.Answer {
			return after(r, 1, &app.Response{Status: 99, Content: &app.Stream{OnClose: func() { boom() }}})
		},
		"JSON": func(*app.Request) app.Answer { return app.Ready(app.JSON(200, func() {})) },
	} {
		host := apptest.New(handler)
		call := host.Do(apptest.Get("/"))
		host.Advance(1)
		var p *app.PanicError
		if !errors.As(call.Err, &p) || !strings.Contains(string(p.Stack), "contract_test.go") && name != "JSON" {
			t.Errorf("%s: the failure is %v", name, call.Err)
		}
		if call.Status != 500 || string(call.Content) != "Internal Server Error\n" || len(host.Panics()) > 0 {
			t.Errorf("%s: got %d %q, escaped %v", name, call.Status, call.Content, host.Panics())
		}
		if again := host.Do(apptest.Get("/")); again.Request == nil {
			t.Errorf("%s: the host is dead", name)
		}
		host.Advance(1)
	}
}

func TestPanicIs500ForEveryValue(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"a status":              {&app.PanicError{Value: app.Statusf(404, "x")}, 500},
		"a deadline":            {&app.PanicError{Value: context.DeadlineExceeded}, 500},
		"a full pool":           {fmt.Errorf("x: %w", &app.PanicError{Value: app.ErrPoolFull}), 500},
		"no error":              {&app.PanicError{Value: "boom"}, 500},
		"one that got a status": {&app.StatusError{Status: 502, Err: &app.PanicError{Value: app.Statusf(404, "x")}}, 502},
	} {
		if got := app.ErrorResponse(c.err).Status; got != c.status {
			t.Errorf("%s: got %d want %d", name, got, c.status)
		}
	}
}

func TestErrorResponse(t *testing.T) {
	for _, status := range []int{-1, 0, 1, 99, 100, 101, 103, 199, 600, 1000} {
		err := &app.StatusError{Status: status, Message: "told"}
		if resp := app.ErrorResponse(err); resp.Status != 500 || string(resp.Content.(app.Bytes)) != "Internal Server Error\n" {
			t.Errorf("%d: got %d %q", status, resp.Status, resp.Content)
		}
		host := apptest.New(func(*app.Request) app.Answer { return app.Fail(err) })
		host.Do(apptest.Get("/")).Want(t, 500, "Internal Server Error\n")
	}
	for _, status := range []int{200, 404, 599} {
		if got := app.ErrorResponse(app.Statusf(status, "x")).Status; got != status {
			t.Errorf("%d: got %d", status, got)
		}
	}
	for name, c := range map[string]struct {
		change func(*app.Response) *app.Response
		status int
	}{
		"nil":       {func(*app.Response) *app.Response { return nil }, 500},
		"no status": {func(*app.Response) *app.Response { return &app.Response{} }, 500},
		"a panic":   {func(*app.Response) *app.Response { panic("boom") }, 500},
		"another":   {func(*app.Response) *app.Response { return app.Text(418, "") }, 418},
	} {
		host := apptest.New(func(r *app.Request) app.Answer {
			return middleware.Changed(app.Fail(app.Statusf(404, "x")), c.change)
		})
		if call := host.Do(apptest.Get("/")); call.Status != c.status || len(host.Panics()) > 0 {
			t.Errorf("%s: got %d, panics %v", name, call.Status, host.Panics())
		}
	}
	// The outermost status counts.
	outer := app.Catch(middleware.Changed(app.Fail(app.Statusf(404, "x")), func(r *app.Response) *app.Response { return r }),
		func(err error) app.Answer {
			return app.Fail(&app.StatusError{Status: 502, Err: err})
		})
	_, err := outer.Result()
	if got := app.ErrorResponse(err).Status; got != 502 {
		t.Errorf("got %d", got)
	}
	calls := 0
	changed := middleware.Changed(app.Fail(errTorn), func(r *app.Response) *app.Response {
		calls++
		return r.With("X", "y")
	})
	_, err = changed.Result()
	for range 2 { // for the log, and for the peer
		if got := app.ErrorResponse(err); got.Status != 502 || got.Fields.Get("X") != "y" || calls != 1 {
			t.Errorf("got %v, after %d calls", got, calls)
		}
	}
}

func TestPanicOfAStreamAborts(t *testing.T) {
	for name, produce := range map[string]func(*app.Writer) app.Future[app.Done]{
		"producer": func(*app.Writer) app.Future[app.Done] { panic("boom") },
		"callback": func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteString("begin"), func(app.Done) app.Future[app.Done] { panic("boom") })
		},
		"later callback": func(w *app.Writer) app.Future[app.Done] {
			return app.Then(app.Sleep(w.Request(), 1), func(app.Done) app.Future[app.Done] { panic("boom") })
		},
	} {
		host := apptest.New(func(*app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", produce))
		})
		call := host.Do(apptest.Get("/"))
		host.Advance(1)
		var p *app.PanicError
		if !call.Aborted || !errors.As(call.Err, &p) || len(host.Panics()) > 0 {
			t.Errorf("%s: aborted %v, failure %v", name, call.Aborted, call.Err)
		}
	}
}

func TestPanicOfOnClose(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(&app.Response{Status: 200, Content: &app.Stream{
			Size:    -1,
			Produce: func(w *app.Writer) app.Future[app.Done] { return w.WriteString("whole") },
			OnClose: func() { panic("boom") },
		}})
	})
	host.Do(apptest.Get("/")).Want(t, 200, "whole")
	if got := fmt.Sprint(host.Panics()); got != "[boom]" {
		t.Errorf("escaped %s", got)
	}
}

func TestContinuationsRunOnTheRequestsOwnLoop(t *testing.T) {
	var host *apptest.Host
	check := func(r *app.Request, where string) {
		if host.Running() != r.Loop().Index() {
			t.Errorf("%s of a request of loop %d ran on loop %d", where, r.Loop().Index(), host.Running())
		}
	}
	host = apptest.NewLoops(func(r *app.Request) app.Answer {
		check(r, "handler")
		p, promised := app.Promised[int](r)
		go p.Resolve(1)
		slept := app.Map(app.Sleep(r, time.Second), func(app.Done) (int, error) { check(r, "sleep"); return 2, nil })
		worked := app.Offload(r, func(context.Context) (int, error) { return 3, nil })
		return app.Then(app.All(promised, slept, worked), func(all []int) app.Answer {
			check(r, "all")
			return app.Ready(app.Text(200, fmt.Sprint(all)))
		})
	}, 4)
	var calls []*apptest.Call
	for i := range 64 {
		calls = append(calls, host.Do(&apptest.Request{Target: "/", Loop: i % 4}))
	}
	host.Advance(time.Second)
	settled(t, host.Settle, func() bool {
		return !slices.ContainsFunc(calls, func(call *apptest.Call) bool { return call.Status == 0 })
	})
	for _, call := range calls {
		call.Want(t, 200, "[1 2 3]")
	}
}

func TestHere(t *testing.T) {
	var shared app.Future[string]
	var promise *app.Promise[string]
	var ran []int
	var host *apptest.Host
	host = apptest.NewLoops(func(r *app.Request) app.Answer {
		if promise == nil {
			promise, shared = app.Promised[string](r)
		}
		return app.Map(app.Here(r, shared), func(s string) (*app.Response, error) {
			ran = append(ran, host.Running())
			return text(s)
		})
	}, 2)
	first := host.Do(&apptest.Request{Target: "/", Loop: 0})
	second := host.Do(&apptest.Request{Target: "/", Loop: 1})
	promise.Resolve("shared")
	host.Settle()
	first.Want(t, 200, "shared")
	second.Want(t, 200, "shared")
	if fmt.Sprint(ran) != "[0 1]" {
		t.Fatalf("continuations ran on %v", ran)
	}
}

func TestResponseOfAnotherLoop(t *testing.T) {
	var promise *app.Promise[*app.Response]
	var shared app.Answer
	host := apptest.NewLoops(func(r *app.Request) app.Answer {
		if promise == nil {
			promise, shared = app.Promised[*app.Response](r)
		}
		return shared
	}, 2)
	first := host.Do(&apptest.Request{Target: "/", Loop: 0})
	second := host.Do(&apptest.Request{Target: "/", Loop: 1})
	promise.Resolve(app.Text(200, "shared"))
	host.Settle() // the fake exchange refuses to be used off its loop
	first.Want(t, 200, "shared")
	second.Want(t, 200, "shared")
}

func TestStreamAndIterationOfAnotherLoop(t *testing.T) {
	var foreign *app.Request
	host := apptest.NewLoops(func(r *app.Request) app.Answer {
		if r.Loop().Index() == 1 {
			foreign = r
			_, f := app.Promised[*app.Response](r)
			return f
		}
		elsewhere := func() app.Future[app.Done] { return app.Sleep(foreign, time.Second) }
		return app.Map(r.Body.Each(make([]byte, 1), func([]byte) app.Future[app.Done] { return elsewhere() }),
			func(n int64) (*app.Response, error) {
				return app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
					steps := 0
					written := app.While(func() app.Future[bool] {
						steps++
						w.WriteString(fmt.Sprint(n))
						if steps == 1 {
							return app.Map(app.Sleep(r, time.Second), func(app.Done) (bool, error) { return true, nil })
						}
						return app.Map(elsewhere(), func(app.Done) (bool, error) { return steps < 3, nil })
					})
					return app.Then(written, func(app.Done) app.Future[app.Done] { return elsewhere() })
				}), nil
			})
	}, 2)
	host.Do(&apptest.Request{Target: "/", Loop: 1})
	call := host.Do(apptest.Post("/", "", "abc"))
	host.Advance(time.Minute) // the fake exchange refuses to be used off its loop
	call.Want(t, 200, "333")
	if len(host.Panics()) > 0 {
		t.Fatal(host.Panics())
	}
}

func TestOneResolutionIsOneTask(t *testing.T) {
	var p *app.Promise[int]
	host := apptest.New(func(r *app.Request) app.Answer {
		promise, f := app.Promised[int](r)
		p = promise
		for range 100 {
			f = app.Map(f, func(n int) (int, error) { return n + 1, nil })
		}
		return app.Map(f, func(n int) (*app.Response, error) { return text(fmt.Sprint(n)) })
	})
	call := host.Do(apptest.Get("/"))
	before := host.Loop(0).Posted
	p.Resolve(0)
	host.Settle()
	call.Want(t, 200, "100")
	if posted := host.Loop(0).Posted - before; posted != 1 {
		t.Fatalf("a chain of 100 continuations took %d tasks", posted)
	}
}

func TestHalfClosedPeerGetsItsAnswer(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	call := host.Do(apptest.Get("/"))
	call.HalfClose()
	if context.Cause(call.Request.Context()) != app.ErrHalfClosed {
		t.Fatalf("cause %v", context.Cause(call.Request.Context()))
	}
	promise().Resolve("still")
	host.Settle()
	call.Want(t, 200, "still")
}

func TestContextEndsWithTheRequest(t *testing.T) {
	var early, late context.Context
	host := apptest.New(func(r *app.Request) app.Answer {
		early = r.Context()
		return app.Ready(app.Text(200, ""))
	})
	host.Do(apptest.Get("/"))
	if context.Cause(early) != app.ErrRequestDone {
		t.Fatalf("asked before the end: %v", context.Cause(early))
	}
	host = apptest.New(func(r *app.Request) app.Answer { return app.Ready(app.Text(200, "")) })
	call := host.Do(apptest.Get("/"))
	if late = call.Request.Context(); context.Cause(late) != app.ErrRequestDone {
		t.Fatalf("asked after the end: %v", context.Cause(late))
	}
}

func TestResponseOfBytesIsReusable(t *testing.T) {
	static := app.Ready(app.Text(200, "static"))
	host := apptest.NewLoops(middleware.RequestID(func(*app.Request) app.Answer { return static }), 2)
	ids := map[string]bool{}
	for i := range 10 {
		call := host.Do(&apptest.Request{Target: "/", Loop: i % 2})
		call.Want(t, 200, "static")
		if len(call.Header) != 2 {
			t.Fatalf("fields %v", call.Header)
		}
		ids[call.Header.Get("X-Request-Id")] = true
	}
	if len(ids) != 10 {
		t.Fatalf("%d identifiers for 10 requests", len(ids))
	}
}

func TestInvalidResponseIs500(t *testing.T) {
	for _, resp := range []*app.Response{nil, {Status: 0}, {Status: 100}, {Status: 600}} {
		host := apptest.New(func(*app.Request) app.Answer { return app.Ready(resp) })
		host.Do(apptest.Get("/")).Want(t, 500, "Internal Server Error\n")
	}
}
