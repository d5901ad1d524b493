package app_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/spi"
)

func TestOffloadPoolFull(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Offload(r, func(context.Context) (*app.Response, error) { return text("worked") })
	})
	host.PoolQueue, host.HoldPool = 64, true
	var calls []*apptest.Call
	for range 10000 {
		calls = append(calls, host.Do(apptest.Get("/")))
	}
	host.HoldPool = false
	host.Settle()
	for i, call := range calls {
		if i < 64 {
			call.Want(t, 200, "worked")
			continue
		}
		call.Want(t, 503, "too busy, try again\n")
		if call.Header.Get("Retry-After") == "" {
			t.Fatal("no Retry-After")
		}
	}
}

func TestOffloadedWorkIsNotStartedAfterTheEnd(t *testing.T) {
	begun := 0
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Offload(r, func(context.Context) (*app.Response, error) { begun++; return text("") })
	})
	host.HoldPool = true
	gone, closing := host.Do(apptest.Get("/")), host.Do(apptest.Get("/"))
	gone.Leave()
	closing.HalfClose()
	host.HoldPool = false
	host.Settle()
	if begun != 1 || closing.Status != 200 {
		t.Fatalf("%d jobs have begun", begun)
	}
}

func TestOffloadContext(t *testing.T) {
	var cause error
	started := make(chan struct{})
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Offload(r, func(ctx context.Context) (*app.Response, error) {
			close(started)
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, cause
		})
	})
	host.HoldPool = true
	call := host.Do(apptest.Get("/"))
	host.HoldPool = false
	host.SettleLoops()
	<-started
	call.Leave()
	if cause != app.ErrPeerGone {
		t.Fatalf("got %v", cause)
	}
}

func TestOffloadGoexit(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Offload(r, func(context.Context) (*app.Response, error) { runtime.Goexit(); return nil, nil })
	})
	host.Do(apptest.Get("/")).Want(t, 500, "Internal Server Error\n")
}

// A goroutine that ends inside user code, as the watchdog ends one, does not affect other
// waiters of a shared future.
func TestGoexitInAContinuationSparesOtherWaiters(t *testing.T) {
	var mu sync.Mutex
	var inbox []func()
	loop := &bareLoop{post: func(task func()) { mu.Lock(); inbox = append(inbox, task); mu.Unlock() }}
	var r app.Request
	spi.Bind(&r, &bareExchange{loop: loop}, &app.ConnInfo{})
	p, f := app.Promised[int](&r)
	var ran []string
	f.Done(func(int, error) { ran = append(ran, "first") })
	f.Done(func(int, error) { runtime.Goexit() })
	f.Done(func(int, error) { ran = append(ran, "third") })
	p.Resolve(1)
	for len(inbox) > 0 {
		task := inbox[0]
		inbox = inbox[1:]
		ended := make(chan struct{})
		go func() { defer close(ended); task() }()
		<-ended
	}
	if len(ran) != 2 || ran[1] != "third" {
		t.Fatalf("got %v", ran)
	}
}

func TestErrors(t *testing.T) {
	err := &app.StatusError{Status: 502, Err: errors.New("refused")}
	if err.Error() != "502 Bad Gateway: refused" || !errors.Is(err, err.Err) {
		t.Errorf("got %q", err)
	}
	torn := errors.New("torn")
	if p := (&app.PanicError{Value: torn}); !errors.Is(p, torn) || p.Error() != "app: panic: torn" {
		t.Errorf("got %q", p)
	}
	if !errors.Is(app.ErrDeadline, context.DeadlineExceeded) {
		t.Error("ErrDeadline is no context.DeadlineExceeded")
	}
}
