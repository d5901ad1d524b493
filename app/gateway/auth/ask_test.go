package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
)

// asking returns a host that asks a backend which decides by decide.
func asking(t *testing.T, decide app.Handler) (*apptest.Host, *apptest.Backend) {
	t.Helper()
	c := client.New(client.Options{})
	origin, err := c.NewOrigin("http://auth:80", client.OriginOptions{Patience: -1})
	if err != nil {
		t.Fatal(err)
	}
	a := auth.NewAsk(auth.AskOptions{Target: "/check?a=1", Copy: []string{"X-User", "X-Group"}, Timeout: time.Second,
		Send: func(r *app.Request, req *client.Request) app.Future[*client.Response] {
			req.Origin = origin
			return c.Do(r, req)
		}})
	h := apptest.New(auth.Require(a)(seen))
	return h, h.Answer("auth:80", decide)
}

func TestAsk(t *testing.T) {
	h, _ := asking(t, func(r *app.Request) app.Answer {
		switch r.Fields.Get("Cookie") {
		case "good":
			resp := app.Text(200, "welcome\n").With("X-User", "alice").With("x-group", "a").WithAdded("X-Group", "b").With("X-Secret", "s")
			return app.Ready(resp)
		case "login":
			return app.Ready(app.Redirect(302, "https://login.example/").WithAdded("Set-Cookie", "back=1"))
		case "forbidden":
			return app.Ready(app.Text(403, "no\n"))
		}
		return app.Ready(app.Text(401, "who?\n").With("WWW-Authenticate", "Custom"))
	})
	h.Do(apptest.Get("/", "Cookie", "good", "x-user", "root", "X_Group", "admin", "X-Other", "1")).
		Want(t, 200, "X-Other: 1\nX-User: alice\nx-group: a\nX-Group: b")
	if c := h.Do(apptest.Get("/", "Cookie", "login")); c.Status != 302 || c.Header.Get("Location") != "https://login.example/" || c.Header.Get("Set-Cookie") != "back=1" {
		t.Errorf("a redirection: %d %v", c.Status, c.Header)
	}
	h.Do(apptest.Get("/", "Cookie", "forbidden")).Want(t, 403, "no\n")
	c := h.Do(apptest.Get("/", "X-User", "root"))
	c.Want(t, 401, "who?\n")
	if c.Header.Get("WWW-Authenticate") != "Custom" {
		t.Errorf("fields: %v", c.Header)
	}
}

func TestAskQuestion(t *testing.T) {
	h, b := asking(t, func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) })
	r := apptest.Post("/orders/7?x=%20", "text/plain", "content")
	r.Host = "shop.example"
	for _, f := range []string{"Cookie: c", "Authorization: Basic x", "X-Forwarded-Method: GET", "X-Original_URI: /public", "x-forwarded-for: 127.0.0.1",
		"Connection: X-Hop", "X-Hop: 1", "Expect: 100-continue", "If-None-Match: *", "Range: bytes=0-1", "X-Real-IP: 127.0.0.1"} {
		name, value, _ := strings.Cut(f, ": ")
		r.Fields.Add(name, value)
	}
	h.Do(r).Want(t, 200, "X-Forwarded-Method: GET\nX-Original_URI: /public\nx-forwarded-for: 127.0.0.1\nConnection: X-Hop\nX-Hop: 1\nX-Real-IP: 127.0.0.1")
	asked := b.Calls[0].Request
	if asked.Method != "GET" || asked.Target != "/check?a=1" || asked.Authority != "auth" || asked.ContentLength != 0 {
		t.Errorf("asked: %s %s at %s with %d bytes", asked.Method, asked.Target, asked.Authority, asked.ContentLength)
	}
	for name, want := range map[string]string{
		"Cookie": "c", "Authorization": "Basic x", "Content-Type": "text/plain",
		"X-Forwarded-Method": "POST", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example", "X-Forwarded-Uri": "/orders/7?x=%20",
		"X-Forwarded-For": "192.0.2.1", "X-Original-Method": "POST", "X-Original-URI": "/orders/7?x=%20", "X-Original-URL": "http://shop.example/orders/7?x=%20",
	} {
		if got := asked.Fields.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"X-Original_URI", "X-Hop", "Expect", "If-None-Match", "Range", "X-Real-IP"} {
		if asked.Fields.Has(name) {
			t.Errorf("%s is asked", name)
		}
	}
}

func TestAskFails(t *testing.T) {
	h, b := asking(t, func(r *app.Request) app.Answer {
		return app.Then(app.Sleep(r, time.Hour), func(app.Done) app.Answer { return app.Ready(app.Empty(204)) })
	})
	slow := h.Do(apptest.Get("/"))
	slow.WantNoAnswer(t)
	h.Advance(1100 * time.Millisecond)
	if slow.Status != 503 || slow.Header.Get("Retry-After") == "" {
		t.Errorf("slow: %d %v", slow.Status, slow.Header)
	}
	for _, c := range b.Conns() {
		c.Hangup()
	}
	b.Refuse = true
	h.Advance(time.Minute)
	if c := h.Do(apptest.Get("/")); c.Status != 503 {
		t.Errorf("refused: %d", c.Status)
	}
}
