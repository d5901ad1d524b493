package router_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/problem"
	"github.com/gatewheel/gatewheel/app/router"
)

// named returns a hook that answers with its name and the failure.
func named(name string) func(*app.Request, error) *app.Response {
	return func(_ *app.Request, err error) *app.Response {
		return app.Text(app.ErrorResponse(err).Status, name+": "+err.Error())
	}
}

var errSecret = errors.New("secret")

// failing registers handlers that fail.
func failing(m *router.Router) {
	m.HandleFunc("GET /error", func(*app.Request) (*app.Response, error) { return nil, errSecret })
	m.HandleFunc("GET /status", func(*app.Request) (*app.Response, error) { return nil, app.Statusf(409, "taken") })
	m.HandleFunc("GET /panic", func(*app.Request) (*app.Response, error) { panic("boom") })
	m.HandleFunc("GET /nil", func(*app.Request) (*app.Response, error) { return nil, nil })
	m.Handle("GET /later", func(r *app.Request) app.Answer {
		return app.Then(app.Sleep(r, 0), func(app.Done) app.Answer { return app.Fail(errSecret) })
	})
	m.Handle("GET /nil/later", func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, 0), func(app.Done) (*app.Response, error) { return nil, nil })
	})
	m.HandleFunc("GET /fine", func(*app.Request) (*app.Response, error) { return app.Text(200, "fine"), nil })
}

func TestHookOfFailures(t *testing.T) {
	routes := router.Router{Failed: named("hook")}
	failing(&routes)
	host := apptest.New(routes.Serve)
	for target, want := range map[string]string{
		"/error": "500 hook: secret", "/status": "409 hook: 409 taken", "/panic": "500 hook: app: panic: boom",
		"/nil": "500 hook: " + app.ErrNoResponse.Error(), "/nil/later": "500 hook: " + app.ErrNoResponse.Error(),
		"/later": "500 hook: secret", "/fine": "200 fine", "/none": "404 hook: 404 Not Found", "*": "400 hook: 400 Bad Request",
	} {
		got := host.Do(apptest.Get(target))
		host.Advance(1)
		if text := fmt.Sprint(got.Status, " ", string(got.Content)); text != want {
			t.Errorf("%s: %q, want %q", target, text, want)
		}
	}
	got := host.Do(apptest.Post("/fine", "text/plain", ""))
	got.Want(t, 405, "hook: 405 Method Not Allowed")
	host.Do(&apptest.Request{Method: "CONNECT", Target: "/fine"}).Want(t, 501, "hook: 501 Not Implemented")
}

// TestFailuresStayFailures: the server logs what the hook has answered.
func TestFailuresStayFailures(t *testing.T) {
	routes := router.Router{Failed: named("hook")}
	failing(&routes)
	host := apptest.New(routes.Serve)
	if got := host.Do(apptest.Get("/error")).Err; !errors.Is(got, errSecret) || got.Error() != "secret" {
		t.Errorf("got %v", got)
	}
	if _, ok := errors.AsType[*app.PanicError](host.Do(apptest.Get("/panic")).Err); !ok {
		t.Error("the panic is no failure")
	}
}

// TestHooksOfMountedRouters: the innermost hook answers.
func TestHooksOfMountedRouters(t *testing.T) {
	plain, own := router.Router{}, router.Router{Failed: named("inner")}
	outer := router.Router{Failed: named("outer")}
	failing(&plain)
	failing(&own)
	outer.Mount("/plain", plain.Serve)
	outer.Mount("/own", own.Serve)
	host := apptest.New(outer.Serve)
	expect(t, host, "/plain/status", 409, "outer: 409 taken")
	expect(t, host, "/plain/none", 404, "outer: 404 Not Found")
	expect(t, host, "/own/status", 409, "inner: 409 taken")
	expect(t, host, "/own/none", 404, "inner: 404 Not Found")
	expect(t, host, "/none", 404, "outer: 404 Not Found")
}

func TestHookThatAnswersNothing(t *testing.T) {
	routes := router.Router{Failed: func(*app.Request, error) *app.Response { return nil }}
	failing(&routes)
	host := apptest.New(routes.Serve)
	expect(t, host, "/status", 409, "taken\n")
	expect(t, host, "/error", 500, "Internal Server Error\n")
}

func TestHookOfOtherMethods(t *testing.T) {
	routes := router.Router{MethodNotAllowed: app.Sync(func(r *app.Request) (*app.Response, error) {
		return app.Text(405, "no "+r.Method), nil
	})}
	failing(&routes)
	host := apptest.New(routes.Serve)
	got := host.Do(apptest.Post("/fine", "text/plain", ""))
	if got.Want(t, 405, "no POST"); got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %q", got.Header.Get("Allow"))
	}
	if got := host.Do(&apptest.Request{Method: "OPTIONS", Target: "/fine"}); got.Status != 204 || got.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: %d, Allow: %q", got.Status, got.Header.Get("Allow"))
	}
}

func TestProblems(t *testing.T) {
	routes := router.Router{Failed: problem.Response}
	failing(&routes)
	host := apptest.New(routes.Serve)
	expect(t, host, "/status", 409, `{"detail":"taken","status":409,"title":"Conflict"}`+"\n")
	expect(t, host, "/error", 500, `{"status":500,"title":"Internal Server Error"}`+"\n")
	got := host.Do(apptest.Post("/fine", "text/plain", ""))
	if got.Want(t, 405, `{"status":405,"title":"Method Not Allowed"}`+"\n"); got.Header.Get("Allow") != "GET, HEAD" || got.Header.Get("Content-Type") != problem.MediaType {
		t.Errorf("%q", got.Header)
	}
}
