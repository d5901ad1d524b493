package app_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// Requests go on when the server drains. All calls of Draining return the same future.
func TestDraining(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		f := app.Sleep(r, time.Minute)
		if r.RawPath == "/asks" {
			f = r.Draining()
		}
		return app.Map(f, func(app.Done) (*app.Response, error) {
			return app.Text(200, fmt.Sprint(r.Draining().Ready(), r.Context().Err())), nil
		})
	})
	waits, asks := host.Do(apptest.Get("/waits")), host.Do(apptest.Get("/asks"))
	if r := asks.Request; r.Draining() != r.Draining() || r.Draining().Ready() {
		t.Error("whoever asks again is told something else")
	}
	host.Drain()
	if string(asks.Content) != "true <nil>" || waits.Status != 0 {
		t.Errorf("got %q and %d", asks.Content, waits.Status)
	}
	host.Advance(time.Minute)
	if string(waits.Content) != "true <nil>" {
		t.Errorf("got %q", waits.Content)
	}
	if call := host.Do(apptest.Get("/asks")); string(call.Content) != "true <nil>" {
		t.Errorf("whoever comes later gets %q", call.Content)
	}
}

// Draining fails with the cause if the request ends first.
func TestDrainingOfAnEndedRequest(t *testing.T) {
	for how, way := range ways {
		var p *app.Promise[*app.Response]
		host := apptest.New(func(r *app.Request) (f app.Answer) {
			p, f = app.Promised[*app.Response](r)
			return f
		})
		host.Timeout = time.Second
		call := host.Do(apptest.Get("/"))
		before := call.Request.Draining()
		way.end(host, call, p)
		for when, f := range map[string]app.Future[app.Done]{"before": before, "after": call.Request.Draining()} {
			if !f.Ready() {
				t.Errorf("%s: asked %s, it is pending", how, when)
			} else if _, err := f.Result(); !errors.Is(err, way.cause) {
				t.Errorf("%s: asked %s, it is %v, want %v", how, when, err, way.cause)
			}
		}
	}
}

// A handler may fail with ErrDraining.
func TestDrainingAsAResponse(t *testing.T) {
	if resp := app.ErrorResponse(fmt.Errorf("wrapped: %w", app.ErrDraining)); resp.Status != 503 {
		t.Errorf("it is %d", resp.Status)
	}
}
