package app_test

import (
	"errors"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// promising makes a handler that answers with the value of a promise, and gives
// the promise to the test.
func promising() (app.Handler, func() *app.Promise[string]) {
	var promise *app.Promise[string]
	handler := func(r *app.Request) app.Future[*app.Response] {
		p, f := app.Promised[string](r)
		promise = p
		return app.Map(f, func(s string) (*app.Response, error) { return app.Text(200, s), nil })
	}
	return handler, func() *app.Promise[string] { return promise }
}

func TestReadyAnswer(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Future[*app.Response] {
		return app.Ready(app.Text(200, "hello"))
	})
	call := host.Do(apptest.Get("/"))
	if call.Status != 200 || string(call.Content) != "hello" || !call.Complete {
		t.Fatalf("got %d %q", call.Status, call.Content)
	}
}

func TestResolveTwice(t *testing.T) {
	handler, promise := promising()
	host := apptest.New(handler)
	call := host.Do(apptest.Get("/"))
	if call.Status != 0 {
		t.Fatal("answered before the promise was resolved")
	}
	if !promise().Resolve("first") || promise().Resolve("second") || promise().Fail(errors.New("third")) {
		t.Fatal("the first result must win, and only that")
	}
	host.Settle()
	if string(call.Content) != "first" {
		t.Fatalf("got %q", call.Content)
	}
}
