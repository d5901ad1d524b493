package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// received answers with the number of bytes of the content, and takes work of its own for that.
func received(work time.Duration) app.Handler {
	return func(r *app.Request) app.Answer {
		return app.Then(r.Body.Discard(), func(n int64) app.Answer {
			return app.Map(app.Sleep(r, work), func(app.Done) (*app.Response, error) { return app.Text(200, "received"), nil })
		})
	}
}

// The deadline is the handler's: an upload that goes on does not count against it, however long it takes.
func TestContentThatKeepsComingMovesTheDeadline(t *testing.T) {
	host := apptest.New(received(9 * time.Second))
	host.Timeout = 10 * time.Second
	call := host.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
	for range 100 {
		host.Advance(3 * time.Second)
		call.Send(strings.Repeat("x", 2000))
	}
	call.End()
	call.WantNoAnswer(t)
	host.Advance(9 * time.Second)
	call.Want(t, 200, "received")
	if n := host.Timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// The time in which the handler does not wait for content is its own.
func TestWorkBetweenContentCounts(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		f := r.Body.Each(make([]byte, 3000), func([]byte) app.Future[app.Done] { return app.Sleep(r, 3*time.Second) })
		return app.Map(f, func(int64) (*app.Response, error) { return app.Text(200, "received"), nil })
	})
	host.Timeout = 10 * time.Second
	call := host.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
	for range 3 {
		host.Advance(5 * time.Second)
		call.Send(strings.Repeat("x", 3000))
		host.Advance(3 * time.Second)
	}
	call.WantNoAnswer(t)
	host.Advance(5 * time.Second)
	call.Send("x")
	call.WantNoAnswer(t)
	host.Advance(999 * time.Millisecond)
	call.WantNoAnswer(t)
	host.Advance(time.Millisecond)
	call.Want(t, 503, "no answer in time\n")
}

// Content that dribbles buys little: what the request may take in all is bounded by what has come.
func TestContentThatDribblesDoesNotHoldARequest(t *testing.T) {
	for _, step := range []time.Duration{time.Millisecond, 7 * time.Second} {
		host := apptest.New(received(0))
		host.Timeout = 10 * time.Second
		call := host.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
		call.Send("x")
		spent := time.Duration(0)
		for ; call.Status == 0 && spent < time.Hour; spent += step {
			host.Advance(step)
			if step >= time.Second {
				call.Send("x")
			}
		}
		if call.Status != 503 || spent < 20*time.Second || spent > 30*time.Second {
			t.Errorf("every %v: status %d after %v", step, call.Status, spent)
		}
	}
}

// A deadline that the handler sets follows the same rule.
func TestSetTimeoutWhileContentComes(t *testing.T) {
	host := apptest.New(received(0))
	host.Timeout = time.Hour
	call := host.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
	host.Loop(0).Post(func() { call.Request.SetTimeout(time.Second) })
	host.Settle()
	for range 10 {
		host.Advance(900 * time.Millisecond)
		call.Send(strings.Repeat("x", 1000))
	}
	host.Loop(0).Post(func() {
		if left := call.Request.Deadline().Sub(host.Loop(0).Now()); left != time.Second {
			t.Errorf("%v are left", left)
		}
	})
	host.Settle()
	call.End()
	call.Want(t, 200, "received")
}
