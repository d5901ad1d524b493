package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/spi"
)

// ways are the ways in which a request can end while its handler waits. The response is
// that of a promise.
var ways = map[string]struct {
	end   func(*apptest.Host, *apptest.Call, *app.Promise[*app.Response])
	cause error
}{
	"the peer leaves": {func(_ *apptest.Host, c *apptest.Call, _ *app.Promise[*app.Response]) { c.Leave() }, app.ErrPeerGone},
	"the peer leaves, half at first": {func(_ *apptest.Host, c *apptest.Call, _ *app.Promise[*app.Response]) {
		c.HalfClose()
		c.Leave()
	}, app.ErrPeerGone},
	"answered": {func(h *apptest.Host, _ *apptest.Call, p *app.Promise[*app.Response]) {
		p.Resolve(app.Empty(204))
		h.Settle()
	}, app.ErrRequestDone},
	"the deadline": {func(h *apptest.Host, _ *apptest.Call, _ *app.Promise[*app.Response]) { h.Advance(time.Second) }, app.ErrDeadline},
}

// TestWaitsEndWithTheRequest checks that timers and waits end with their request.
func TestWaitsEndWithTheRequest(t *testing.T) {
	never := func(r *app.Request) app.Future[app.Done] {
		_, f := app.Promised[app.Done](r)
		return f
	}
	for what, wait := range map[string]func(r *app.Request) app.Future[app.Done]{
		"sleep":   func(r *app.Request) app.Future[app.Done] { return app.Sleep(r, time.Hour) },
		"timeout": func(r *app.Request) app.Future[app.Done] { return app.Timeout(r, time.Hour, never(r)) },
		"here":    func(r *app.Request) app.Future[app.Done] { return app.Here(r, never(r)) },
		"collect": func(r *app.Request) app.Future[app.Done] {
			came := app.Collect(r, time.Hour, app.Ready(app.Done{}), never(r))
			return app.Map(came, func(o []app.Outcome[app.Done]) (app.Done, error) {
				if o[0].Err != nil {
					t.Errorf("what had come is %v", o[0].Err)
				}
				return o[1].Value, o[1].Err
			})
		},
	} {
		for how, way := range ways {
			var got, late error
			ended := false
			var p *app.Promise[*app.Response]
			host := apptest.New(func(r *app.Request) (f app.Answer) {
				wait(r).Done(func(_ app.Done, err error) { ended, got = true, err })
				p, f = app.Promised[*app.Response](r)
				return f
			})
			host.Timeout = time.Second
			call := host.Do(apptest.Get("/"))
			if ended {
				t.Errorf("%s: over at once: %v", what, got)
			}
			way.end(host, call, p)
			if !ended || got != way.cause {
				t.Errorf("%s, %s: over: %v, with %v, want %v", what, how, ended, got, way.cause)
			}
			host.Loop(0).Post(func() { wait(call.Request).Done(func(_ app.Done, err error) { late = err }) })
			host.Settle()
			if late == nil || late == app.ErrHalfClosed {
				t.Errorf("%s, %s: begun behind the end it gives %v", what, how, late)
			}
			if host.Timers() != 0 {
				t.Errorf("%s, %s: %s", what, how, host)
			}
		}
	}
}

// A peer that has only closed its sending side still gets a response after a sleep.
func TestSleepAfterHalfClose(t *testing.T) {
	host, call := within(t, func(r *app.Request) app.Future[int] { return after(r, time.Minute, 1) })
	call.HalfClose()
	host.Advance(time.Minute)
	call.Want(t, 200, "1")
}

func TestDeadlineTimerEndsWithTheRequest(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	host.Timeout = time.Hour
	call := host.Do(apptest.Get("/"))
	call.Leave()
	if host.Timers() != 0 {
		t.Fatal(host)
	}
	host.Loop(0).Post(func() { call.Request.SetTimeout(time.Minute) })
	host.Settle()
	if host.Timers() != 0 {
		t.Fatal(host)
	}
	promise().Resolve("late")
	host.Settle()
	call.WantNoAnswer(t)
}

// Requests that have ended do not wait for a shared result; others get it.
func TestHereForgetsEndedRequests(t *testing.T) {
	var shared app.Answer
	var promise *app.Promise[*app.Response]
	closed := 0
	host := apptest.NewLoops(func(r *app.Request) app.Answer {
		if promise == nil {
			promise, shared = app.Promised[*app.Response](r)
		}
		return app.Here(r, shared)
	}, 2)
	stays := host.Do(&apptest.Request{Target: "/", Loop: 1})
	for i := range 100 {
		host.Do(&apptest.Request{Target: "/", Loop: i % 2}).Leave()
	}
	content := &app.Stream{Size: -1, Produce: func(w *app.Writer) app.Future[app.Done] { return w.WriteString("whole") }, OnClose: func() { closed++ }}
	promise.Resolve(&app.Response{Status: 200, Content: content})
	if host.Settle(); closed != 1 {
		t.Errorf("closed %d times", closed)
	}
	stays.Want(t, 200, "whole")
}

// A goroutine that stops waiting because its request has ended leaves no timer.
func TestReadDeadlineTimerEndsWithTheRequest(t *testing.T) {
	failed := make(chan error, 1)
	host := apptest.New(app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		body := r.Body.Reader()
		body.SetDeadline(r.Loop().Now().Add(time.Hour))
		_, err := body.Read(make([]byte, 1))
		failed <- err
		return err
	}))
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	host.Loop(0).Post(func() { spi.Cancel(call.Request, app.ErrPeerGone) })
	host.Settle()
	if err := <-failed; err != app.ErrPeerGone || host.Timers() != 0 {
		t.Fatalf("%v, %s", err, host)
	}
}

func TestLateResultOfATimeoutIsClosed(t *testing.T) {
	closed := 0
	var late *app.Promise[*app.Response]
	host := apptest.New(func(r *app.Request) (f app.Answer) {
		late, f = app.Promised[*app.Response](r)
		return app.Timeout(r, time.Hour, f)
	})
	call := host.Do(apptest.Get("/"))
	call.Leave()
	late.Resolve(&app.Response{Status: 200, Content: &app.Stream{OnClose: func() { closed++ }}})
	host.Settle()
	if closed != 1 {
		t.Fatalf("closed %d times", closed)
	}
}

func TestContinuationsOfAnEndedSleep(t *testing.T) {
	steps, cleaned := 0, false
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Finally(app.While(func() app.Future[bool] {
				steps++
				return app.Map(app.Sleep(r, time.Minute), func(app.Done) (bool, error) { return true, nil })
			}), func() { cleaned = true })
		}))
	})
	call := host.Do(apptest.Get("/"))
	host.Advance(2 * time.Minute)
	call.Leave()
	if steps != 3 || !cleaned || host.Timers() != 0 || len(host.Panics()) > 0 {
		t.Fatalf("%d steps, cleaned: %v, %s", steps, cleaned, host)
	}
	if !errors.Is(context.Cause(call.Request.Context()), app.ErrPeerGone) {
		t.Fatal(context.Cause(call.Request.Context()))
	}
}
