package middleware_test

import (
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/middleware"
)

// echo answers with the content of the request.
func echo(r *app.Request) app.Answer {
	return app.Map(r.Body.ReadAll(1<<20), func(b []byte) (*app.Response, error) { return app.Blob(200, "text/plain", b), nil })
}

func ExampleChain() {
	handler := middleware.Chain(echo,
		middleware.RequestID,
		middleware.LimitBody(1<<10),
		middleware.Timeout(5*time.Second),
	)

	call := apptest.New(handler).Do(apptest.Post("/", "text/plain", "content"))
	fmt.Println(string(call.Content), len(call.Header.Get(middleware.RequestIDField)))
	// Output: content 32
}

func ExampleTimeout() {
	slow := func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, time.Minute), func(app.Done) (*app.Response, error) { return app.Text(200, "late\n"), nil })
	}

	host := apptest.New(middleware.Timeout(5 * time.Second)(slow))
	call := host.Do(apptest.Get("/"))
	host.Advance(5 * time.Second)
	fmt.Print(call.Status, " ", string(call.Content))
	// Output: 503 no answer in time
}

func ExampleRecover() {
	sorry := middleware.Recover(func(r *app.Request, p *app.PanicError) *app.Response {
		fmt.Println("panic:", p.Value)
		return app.HTML(500, "<p>Something is broken here.")
	})

	handler := sorry(func(*app.Request) app.Answer { panic("no database") })
	fmt.Println(string(apptest.New(handler).Do(apptest.Get("/")).Content))
	// Output:
	// panic: no database
	// <p>Something is broken here.
}

func ExampleLimitBody() {
	host := apptest.New(middleware.LimitBody(5)(echo))
	fmt.Println(host.Do(apptest.Post("/", "text/plain", "12345")).Status)
	fmt.Println(host.Do(apptest.Post("/", "text/plain", "123456")).Status)
	// Output:
	// 200
	// 413
}

func ExampleLimitConcurrency() {
	slow := func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, time.Second), func(app.Done) (*app.Response, error) { return app.Text(200, "done"), nil })
	}

	host := apptest.New(middleware.LimitConcurrency(1)(slow))
	first, second := host.Do(apptest.Get("/")), host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	fmt.Println(first.Status, second.Status, second.Header.Get("Retry-After"))
	// Output: 200 503 1
}

func ExampleRequestID() {
	handler := middleware.RequestID(func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, middleware.RequestIDOf(r)))
	})

	call := apptest.New(handler).Do(apptest.Get("/"))
	fmt.Println(string(call.Content) == call.Header.Get("X-Request-Id"))
	// Output: true
}

func ExampleChanged() {
	versioned := func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			return middleware.Changed(next.Try(r), func(resp *app.Response) *app.Response { return resp.With("X-Version", "7") })
		}
	}

	fails := func(*app.Request) app.Answer { return app.Fail(app.Statusf(404, "")) }
	call := apptest.New(versioned(fails)).Do(apptest.Get("/"))
	fmt.Println(call.Status, call.Header.Get("X-Version"))
	// Output: 404 7
}
