package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

var servers = client.New(client.Options{Timeout: 5 * time.Second})

func user(r *app.Request) app.Answer {
	asked := servers.Do(r, &client.Request{
		URL:   "h2c://users.internal:8080/users/" + url.PathEscape(r.QueryValue("id")),
		Total: 10 * time.Second, // head and content; Timeout is until the head
	})
	return app.Then(asked, func(resp *client.Response) app.Answer {
		if resp.Status != 200 {
			resp.Close()
			return app.Fail(app.Statusf(502, "users answers %d", resp.Status))
		}
		return app.Map(resp.Body.ReadAll(64<<10), func(b []byte) (*app.Response, error) {
			return app.Text(200, "hello, "+string(b)), nil
		})
	})
}

func Example() {
	host := apptest.New(user)
	host.Answer("users.internal:8080", func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, "user "+strings.TrimPrefix(r.RawPath, "/users/")))
	})
	fmt.Println(string(host.Do(apptest.Get("/?id=7")).Content))
	// Output:
	// hello, user 7
}

func pass(r *app.Request) app.Answer {
	asked := servers.Do(r, &client.Request{
		Method:  r.Method,
		URL:     "http://files.internal" + r.Target,
		Fields:  app.Fields{{Name: "Accept", Value: r.Fields.Get("Accept")}},
		Content: r.Body.Pull(),
	})
	return app.Map(asked, func(resp *client.Response) (*app.Response, error) {
		return resp.Response(), nil
	})
}

func Example_pass() {
	host := apptest.New(pass)
	host.Answer("files.internal:80", func(r *app.Request) app.Answer {
		return app.Ready(&app.Response{Status: 201, Content: r.Body.Pull()})
	})
	call := host.Do(apptest.Post("/x", "text/plain", "as it came"))
	fmt.Println(call.Status, string(call.Content))
	// Output:
	// 201 as it came
}

var orders = origin("https://orders.internal", client.OriginOptions{
	Addresses: []string{"10.0.0.1:8443", "10.0.0.2:8443"},
	Connect:   500 * time.Millisecond,
})

func origin(url string, options client.OriginOptions) *client.Origin {
	o, err := servers.NewOrigin(url, options)
	if err != nil {
		panic(err) // the URL is wrong
	}
	return o
}

func order(r *app.Request) app.Answer {
	asked := servers.Do(r, &client.Request{Origin: orders, Target: "/orders/7", Retries: 1})
	return app.After(asked, func(resp *client.Response, err error) app.Answer {
		var failure *client.Error
		switch {
		case errors.As(err, &failure) && failure.Kind == client.ConnectFail:
			return app.Ready(app.Error(503, "no orders today"))
		case err != nil:
			return app.Fail(err) // 502, 503 or 504
		}
		return app.Ready(resp.Response())
	})
}

func Example_errors() {
	host := apptest.New(order)
	host.Answer("10.0.0.1:8443", nil).Refuse = true
	host.Answer("10.0.0.2:8443", nil).Refuse = true
	call := host.Do(apptest.Get("/"))
	fmt.Print(call.Status, " ", string(call.Content))
	// Output:
	// 503 no orders today
}

// check asks for the health of a server every five seconds.
func check(loop app.Loop, o *client.Origin, tell func(healthy bool)) {
	asked := servers.DoOn(loop, &client.Request{Origin: o, Target: "/healthz", Timeout: time.Second})
	asked.Done(func(resp *client.Response, err error) {
		tell(err == nil && resp.Status == 200)
		resp.Close()
		loop.After(5*time.Second, func() { check(loop, o, tell) })
	})
}

func Example_background() {
	host := apptest.New(nil)
	backend := host.Answer("users.internal:8080", func(*app.Request) app.Answer {
		return app.Ready(app.Text(200, "ok"))
	})
	o := origin("h2c://users.internal:8080", client.OriginOptions{Patience: -1})
	host.Loop(0).Post(func() { check(host.Loop(0), o, func(healthy bool) { fmt.Println(healthy) }) })
	host.Settle()
	backend.Conns()[0].Hangup()
	backend.Refuse = true
	host.Advance(5 * time.Second)
	// Output:
	// true
	// false
}

var count = app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
	resp, err := servers.DoBlocking(r, &client.Request{URL: "h2c://users.internal:8080/users"})
	if err != nil {
		return err
	}
	var users []string
	if err := json.NewDecoder(resp.Body.Reader()).Decode(&users); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d users\n", len(users))
	return err
})

func Example_blocking() {
	host := apptest.New(count)
	host.Answer("users.internal:8080", func(*app.Request) app.Answer {
		return app.Ready(app.JSON(200, []string{"ann", "bob"}))
	})
	fmt.Print(string(host.Do(apptest.Get("/")).Content))
	// Output:
	// 2 users
}
