package middleware_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
)

func TestChain(t *testing.T) {
	var order []string
	around := func(name string) app.Middleware {
		return func(next app.Handler) app.Handler {
			return func(r *app.Request) app.Answer {
				order = append(order, name)
				return next(r)
			}
		}
	}
	h := middleware.Chain(func(*app.Request) app.Answer { return app.Ready(app.Text(200, "")) },
		around("a"), around("b"), around("c"))
	apptest.New(h).Do(apptest.Get("/"))
	if fmt.Sprint(order) != "[a b c]" {
		t.Fatalf("got %v", order)
	}
}

func TestRecover(t *testing.T) {
	page := middleware.Recover(func(r *app.Request, p *app.PanicError) *app.Response {
		if r.Path() == "/plain" {
			return nil
		}
		return app.Text(500, fmt.Sprintf("sorry about %v", p.Value))
	})
	var routes router.Router
	routes.Handle("/now", func(*app.Request) app.Answer { panic("now") })
	routes.Handle("/plain", func(*app.Request) app.Answer { panic("plain") })
	routes.Handle("/later", func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, 1), func(app.Done) (*app.Response, error) { panic("later") })
	})
	routes.Handle("/failure", func(r *app.Request) app.Answer {
		return app.Fail(errors.New("no panic"))
	})
	routes.Handle("/fine", func(r *app.Request) app.Answer { return app.Ready(app.Text(200, "fine")) })
	host := apptest.New(page(routes.Serve))
	for path, content := range map[string]string{
		"/now": "sorry about now", "/later": "sorry about later", "/plain": "Internal Server Error\n",
		"/failure": "Internal Server Error\n", "/fine": "fine",
	} {
		call := host.Do(apptest.Get(path))
		host.Advance(1)
		if string(call.Content) != content {
			t.Errorf("%s: got %d %q", path, call.Status, call.Content)
		}
	}
}

func TestLimitBody(t *testing.T) {
	host := apptest.New(middleware.LimitBody(5)(func(r *app.Request) app.Answer {
		return app.Map(r.Body.ReadAll(1000), func(b []byte) (*app.Response, error) { return app.Text(200, string(b)), nil })
	}))
	host.Do(apptest.Post("/", "", "12345")).Want(t, 200, "12345")
	host.Do(apptest.Post("/", "", "123456")).Want(t, 413, "the request's content is larger than 5 bytes\n")
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.Send("123456")
	call.Want(t, 413, "the request's content is larger than 5 bytes\n")
}

func TestLimitConcurrency(t *testing.T) {
	var promises []*app.Promise[*app.Response]
	host := apptest.New(middleware.LimitConcurrency(2)(func(r *app.Request) app.Answer {
		if r.Path() == "/panic" {
			panic("x")
		}
		p, f := app.Promised[*app.Response](r)
		promises = append(promises, p)
		return f
	}))
	host.Timeout = time.Second
	host.Do(apptest.Get("/panic"))
	host.Do(apptest.Get("/panic"))
	first, second := host.Do(apptest.Get("/")), host.Do(apptest.Get("/"))
	third := host.Do(apptest.Get("/"))
	third.Want(t, 503, "too busy, try again\n")
	promises[0].Resolve(app.Text(200, "first"))
	host.Settle()
	first.Want(t, 200, "first")
	fourth := host.Do(apptest.Get("/"))
	fourth.WantNoAnswer(t)
	host.Advance(time.Second) // promises that are never resolved give their place back
	second.Want(t, 503, "no answer in time\n")
	host.Do(apptest.Get("/")).WantNoAnswer(t)
	promises[1].Resolve(app.Text(200, "late")) // and do so once
	host.Settle()
	host.Do(apptest.Get("/")).WantNoAnswer(t)
	host.Do(apptest.Get("/")).Want(t, 503, "too busy, try again\n")
	host.Advance(time.Second)
}

func TestRequestID(t *testing.T) {
	h := middleware.RequestID(func(r *app.Request) app.Answer {
		if r.Path() == "/fails" {
			return app.Fail(app.Statusf(418, "no"))
		}
		return app.Ready(app.Text(200, middleware.RequestIDOf(r)))
	})
	host := apptest.New(h)
	call := host.Do(apptest.Get("/", middleware.RequestIDField, "mine"))
	id := call.Header.Get(middleware.RequestIDField)
	if len(id) != 32 || string(call.Content) != id {
		t.Errorf("a stranger's identifier: got %q, the handler %q", id, call.Content)
	}
	if call := host.Do(apptest.Get("/fails")); call.Status != 418 || len(call.Header.Get(middleware.RequestIDField)) != 32 {
		t.Errorf("a failure: got %d %v", call.Status, call.Header)
	}
	proxied := func(id string) string {
		request := apptest.Get("/", middleware.RequestIDField, id)
		request.Conn = &app.ConnInfo{
			Peer: netip.MustParseAddrPort("10.0.0.1:1"), Trust: forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8")),
		}
		return host.Do(request).Header.Get(middleware.RequestIDField)
	}
	if got := proxied("theirs"); got != "theirs" {
		t.Errorf("a trusted proxy's identifier: got %q", got)
	}
	for _, bad := range []string{"", "a b", "a\nb", strings.Repeat("x", 129)} {
		if got := proxied(bad); len(got) != 32 {
			t.Errorf("%q passes for an identifier", bad)
		}
	}
}

func TestLimitConcurrencyForgetsEndedRequests(t *testing.T) {
	var promises []*app.Promise[*app.Response]
	host := apptest.New(middleware.LimitConcurrency(1)(func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		promises = append(promises, p)
		return f
	}))
	for range 3 {
		call := host.Do(apptest.Get("/"))
		call.WantNoAnswer(t)
		host.Do(apptest.Get("/")).Want(t, 503, "too busy, try again\n")
		call.HalfClose() // still waits for its answer
		host.Do(apptest.Get("/")).Want(t, 503, "too busy, try again\n")
		call.Leave()
	}
	for _, p := range promises { // the places are free already, and once is enough
		p.Resolve(app.Empty(204))
	}
	host.Settle()
	host.Do(apptest.Get("/")).WantNoAnswer(t)
	host.Do(apptest.Get("/")).Want(t, 503, "too busy, try again\n")
}
