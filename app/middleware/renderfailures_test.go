package middleware_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/problem"
	"github.com/gatewheel/gatewheel/app/router"
)

func TestRenderFailures(t *testing.T) {
	secret := errors.New("secret")
	routes := router.Router{Failed: func(*app.Request, error) *app.Response { return app.Text(404, "by the router") }}
	around := middleware.Chain(func(r *app.Request) app.Answer {
		switch r.Path() {
		case "/panics":
			panic(secret)
		case "/fails":
			return app.Fail(secret)
		case "/none":
			return app.Ready[*app.Response](nil)
		case "/fine":
			return app.Ready(app.Text(200, "fine"))
		}
		return routes.Serve(r)
	},
		middleware.RequestID,
		middleware.RenderFailures(problem.Response),
		middleware.SecurityFields(middleware.SecurityOptions{}),
		middleware.CSRF(middleware.CSRFOptions{}),
	)
	host := apptest.New(around)
	const internal = `{"status":500,"title":"Internal Server Error"}` + "\n"
	for _, c := range []struct {
		request *apptest.Request
		status  int
		content string
		failure error
	}{
		{apptest.Get("/fine"), 200, "fine", nil},
		{apptest.Get("/fails"), 500, internal, secret},
		{apptest.Get("/panics"), 500, internal, secret},
		{apptest.Get("/none"), 500, internal, app.ErrNoResponse},
		{apptest.Get("/unknown"), 404, "by the router", nil},
		{crossSite("/fine"), 403, "", nil},
	} {
		call := host.Do(c.request)
		if c.content != "" {
			call.Want(t, c.status, c.content)
		} else if call.Status != c.status || call.Header.Get("Content-Type") != problem.MediaType {
			t.Errorf("%s: %d %v", c.request.Target, call.Status, call.Header)
		}
		if c.failure != nil && !errors.Is(call.Err, c.failure) {
			t.Errorf("%s: the failure is %v", c.request.Target, call.Err)
		}
		if !call.Header.Has("X-Request-Id") {
			t.Errorf("%s: the outer middleware has not seen the response", c.request.Target)
		}
		if !call.Header.Has("X-Content-Type-Options") && c.status != 200 && c.status != 404 {
			t.Errorf("%s: fields of inner middleware are lost: %v", c.request.Target, call.Header)
		}
	}
	mustPanic(t, "no function", func() { middleware.RenderFailures(nil) })
}

// crossSite returns a request that a foreign page has made.
func crossSite(target string) *apptest.Request {
	r := apptest.Post(target, "text/plain", "")
	r.Fields.Add("Sec-Fetch-Site", "cross-site")
	return r
}

func ExampleRenderFailures() {
	routes := router.Router{Failed: problem.Response}
	handler := middleware.Chain(routes.Serve,
		middleware.RenderFailures(problem.Response),
		middleware.CSRF(middleware.CSRFOptions{}),
		middleware.LimitRate(middleware.RateOptions{Count: 100, Per: time.Minute}),
	)

	foreign := apptest.Post("/orders", "text/plain", "")
	foreign.Fields.Add("Sec-Fetch-Site", "cross-site")
	call := apptest.New(handler).Do(foreign)
	fmt.Println(call.Status, call.Header.Get("Content-Type"))
	// Output: 403 application/problem+json
}
