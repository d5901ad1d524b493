package middleware_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/input"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// newSessions returns a host whose handler sets, shows and ends sessions.
func newSessions(t *testing.T, o middleware.SessionOptions) *apptest.Host {
	t.Helper()
	sessions, err := middleware.Sessions(o)
	if err != nil {
		t.Fatal(err)
	}
	return apptest.New(sessions(func(r *app.Request) app.Answer {
		if r.Path() == "/static" {
			return app.Ready(app.Text(200, "static"))
		}
		s := middleware.SessionOf(r)
		switch r.Path() {
		case "/set":
			s.Set("user", r.QueryValue("user"))
		case "/delete":
			s.Delete("user")
		case "/clear":
			s.Clear()
		case "/public":
			return app.Ready(app.Text(200, "x").With("Cache-Control", "public"))
		case "/fails":
			s.Set("failed", "yes")
			return app.Fail(app.Statusf(403, "no"))
		}
		return app.Ready(app.Text(200, fmt.Sprint(s.Values())))
	}))
}

// cookieOf returns the cookie that a response sets, as a browser sends it, and its attributes.
func cookieOf(t *testing.T, call *apptest.Call) (pair string, c *http.Cookie) {
	t.Helper()
	line := call.Header.Get("Set-Cookie")
	if line == "" {
		return "", nil
	}
	c, err := http.ParseSetCookie(line)
	if err != nil {
		t.Fatal(err)
	}
	return c.Name + "=" + c.Value, c
}

func TestSessions(t *testing.T) {
	host := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(1)}})
	call := host.Do(apptest.Get("/show"))
	call.Want(t, 200, "map[]")
	if pair, _ := cookieOf(t, call); pair != "" || call.Header.Get("Vary") != "Cookie" || call.Header.Get("Cache-Control") != "private" {
		t.Errorf("a session that is empty: %v", call.Header)
	}
	call = host.Do(apptest.Get("/set?user=ada"))
	call.Want(t, 200, "map[user:ada]")
	pair, c := cookieOf(t, call)
	if c == nil || c.Name != "__Host-session" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" ||
		c.MaxAge != 30*24*3600 || strings.Contains(c.Value, "ada") {
		t.Fatalf("got %v", call.Header)
	}
	call = host.Do(apptest.Get("/show", "Cookie", "a=b; "+pair))
	call.Want(t, 200, "map[user:ada]")
	if again, _ := cookieOf(t, call); again != "" {
		t.Error("a session that has not changed is sent again")
	}
	// HTTP/2 may send a line for each cookie.
	host.Do(apptest.Get("/show", "Cookie", "a=b", "cookie", pair)).Want(t, 200, "map[user:ada]")
	if call = host.Do(apptest.Get("/set?user=ada", "Cookie", pair)); call.Header.Has("Set-Cookie") {
		t.Error("the same value is a change")
	}
	call = host.Do(apptest.Get("/fails", "Cookie", pair))
	failed, _ := cookieOf(t, call)
	call.Want(t, 403, "no\n")
	host.Do(apptest.Get("/show", "Cookie", failed)).Want(t, 200, "map[failed:yes user:ada]")
	for _, path := range []string{"/clear", "/delete"} {
		if _, c = cookieOf(t, host.Do(apptest.Get(path, "Cookie", pair))); c == nil || c.MaxAge >= 0 || c.Value != "" || !c.Secure {
			t.Errorf("%s: got %v", path, c)
		}
	}
	if call = host.Do(apptest.Get("/clear")); call.Header.Has("Set-Cookie") {
		t.Error("a session that never was is ended")
	}
	call = host.Do(apptest.Get("/static", "Cookie", pair))
	if call.Want(t, 200, "static"); call.Header.Has("Vary") || call.Header.Has("Cache-Control") {
		t.Errorf("a handler that did not ask: %v", call.Header)
	}
	if call = host.Do(apptest.Get("/public")); call.Header.Get("Cache-Control") != "public" {
		t.Errorf("the handler's Cache-Control was replaced: %v", call.Header)
	}
}

// TestForgedSessions changes each byte of a cookie, and sends others.
func TestForgedSessions(t *testing.T) {
	host := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(1)}})
	pair, c := cookieOf(t, host.Do(apptest.Get("/set?user=ada")))
	name := c.Name + "="
	show := func(cookies string) string { return string(host.Do(apptest.Get("/show", "Cookie", cookies)).Content) }
	for i := range c.Value {
		for _, b := range []byte{'A', 'B', '=', 0, ' ', 0xff} {
			forged := []byte(c.Value)
			forged[i] = b
			if got := show(name + string(forged)); string(forged) != c.Value && got != "map[]" {
				// The last bits of base64 mean nothing.
				if i < len(c.Value)-4 {
					t.Fatalf("byte %d as %q: %s", i, b, got)
				}
			}
		}
	}
	strangers := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(2)}})
	stranger, _ := cookieOf(t, strangers.Do(apptest.Get("/set?user=eve")))
	renamed := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(1)}, Name: "other"})
	other, _ := cookieOf(t, renamed.Do(apptest.Get("/set?user=eve")))
	for _, forged := range []string{
		stranger, name + strings.TrimPrefix(other, "other="), other, name, name + strings.Repeat("A", 5000), "__host-session=" + c.Value,
		name + c.Value + c.Value, name + c.Value[:len(c.Value)/2], `"` + pair + `"`, "=" + pair,
	} {
		if got := show(forged); got != "map[]" {
			t.Errorf("%.60s: %s", forged, got)
		}
	}
	// Another host of the domain may have set one in front.
	if got := show(stranger + "; " + pair); got != "map[user:ada]" {
		t.Errorf("behind a forged one: %s", got)
	}
	if got := show(strings.Repeat(stranger+"; ", 100) + pair); got != "map[]" {
		t.Errorf("behind a hundred: %s", got)
	}
}

func TestSessionsOutliveTheirKey(t *testing.T) {
	before := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(1)}})
	after := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(2), key(1)}})
	pair, _ := cookieOf(t, before.Do(apptest.Get("/set?user=ada")))
	after.Do(apptest.Get("/show", "Cookie", pair)).Want(t, 200, "map[user:ada]")
	renewed, _ := cookieOf(t, after.Do(apptest.Get("/set?user=bob", "Cookie", pair)))
	before.Do(apptest.Get("/show", "Cookie", renewed)).Want(t, 200, "map[]")
}

func TestSessionsAreRenewed(t *testing.T) {
	host := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(1)}, MaxAge: 20 * time.Hour, Insecure: true})
	pair, c := cookieOf(t, host.Do(apptest.Get("/set?user=ada")))
	if c.Secure || c.Name != "session" {
		t.Errorf("got %v", c)
	}
	host.Advance(9 * time.Hour)
	if call := host.Do(apptest.Get("/show", "Cookie", pair)); call.Header.Has("Set-Cookie") {
		t.Error("a young session is renewed")
	}
	host.Advance(2 * time.Hour)
	if call := host.Do(apptest.Get("/show", "Cookie", pair)); !call.Header.Has("Set-Cookie") {
		t.Error("a session of which half is over is not renewed")
	}
}

func TestSessionsTooLarge(t *testing.T) {
	host := newSessions(t, middleware.SessionOptions{Keys: [][]byte{key(1)}})
	call := host.Do(apptest.Get("/set?user=" + strings.Repeat("x", 2100)))
	if pair, _ := cookieOf(t, call); call.Status != 200 || len(pair) > 4096 {
		t.Errorf("2100 bytes: %d", call.Status)
	}
	call = host.Do(apptest.Get("/set?user=" + strings.Repeat("x", 4000)))
	if call.Status != 500 || call.Err == nil || call.Header.Has("Set-Cookie") {
		t.Errorf("4000 bytes: %d %v", call.Status, call.Err)
	}
}

func TestSessionOptionsRefused(t *testing.T) {
	keys := [][]byte{key(1)}
	for name, o := range map[string]middleware.SessionOptions{
		"no key":          {},
		"a short key":     {Keys: [][]byte{key(1), key(2)[:31]}},
		"a name":          {Keys: keys, Name: "a;b"},
		"a prefix":        {Keys: keys, Name: "__Secure-x", Insecure: true},
		"a moment":        {Keys: keys, MaxAge: time.Millisecond},
		"none without":    {Keys: keys, Insecure: true, SameSite: http.SameSiteNoneMode},
		"a negative time": {Keys: keys, MaxAge: -time.Hour},
	} {
		if _, err := middleware.Sessions(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	mustPanic(t, "no middleware", func() { middleware.SessionOf(apptest.New(always(app.Empty(204))).Do(apptest.Get("/")).Request) })
}

// login is the form of a page that logs in.
type login struct {
	User     string `input:"user,required"`
	Password string `input:"password,required"`
}

// valid checks a password.
func valid(_ context.Context, given login) (bool, error) { return given.Password == "lovelace", nil }

func ExampleSessions_login() {
	key, err := hex.DecodeString(os.Getenv("SESSION_KEY")) // of openssl rand -hex 32
	if err != nil {
		panic(err)
	}
	if len(key) == 0 {
		key = make([]byte, 32) // for this example alone
	}
	sessions, err := middleware.Sessions(middleware.SessionOptions{Keys: [][]byte{key}})
	if err != nil {
		panic(err)
	}
	var routes router.Router
	routes.Handle("POST /login", func(r *app.Request) app.Answer {
		return app.Then(input.Form[login](r), func(given login) app.Answer {
			checked := app.Go(r, func(ctx context.Context) (bool, error) { return valid(ctx, given) })
			return app.Map(checked, func(ok bool) (*app.Response, error) {
				if !ok {
					return nil, app.Statusf(403, "the name or the password is wrong")
				}
				session := middleware.SessionOf(r)
				session.Clear()
				session.Set("user", given.User)
				return app.Redirect(303, "/"), nil
			})
		})
	})
	routes.HandleFunc("POST /logout", func(r *app.Request) (*app.Response, error) {
		middleware.SessionOf(r).Clear()
		return app.Redirect(303, "/"), nil
	})
	routes.HandleFunc("GET /{$}", func(r *app.Request) (*app.Response, error) {
		user := middleware.SessionOf(r).Get("user")
		if user == "" {
			return app.Redirect(303, "/login.html"), nil
		}
		return app.Text(200, "hello, "+user), nil
	})
	handler := middleware.Chain(routes.Serve, middleware.CSRF(middleware.CSRFOptions{}), sessions)

	host := apptest.New(handler)
	answer := host.Do(apptest.Post("/login", "application/x-www-form-urlencoded", "user=ada&password=lovelace"))
	cookie, _, _ := strings.Cut(answer.Header.Get("Set-Cookie"), ";")
	fmt.Println(answer.Status, string(host.Do(apptest.Get("/", "Cookie", cookie)).Content))
	// Output: 303 hello, ada
}

func ExampleSessions() {
	sessions, err := middleware.Sessions(middleware.SessionOptions{Keys: [][]byte{[]byte("32 random bytes, from a secret...")}})
	if err != nil {
		panic(err)
	}
	handler := sessions(func(r *app.Request) app.Answer {
		session := middleware.SessionOf(r)
		if user := r.QueryValue("user"); user != "" {
			session.Set("user", user)
		}
		return app.Ready(app.Text(200, "hello, "+session.Get("user")))
	})

	host := apptest.New(handler)
	cookie, _, _ := strings.Cut(host.Do(apptest.Get("/login?user=ada")).Header.Get("Set-Cookie"), ";")
	fmt.Println(string(host.Do(apptest.Get("/", "Cookie", cookie)).Content))
	// Output: hello, ada
}

// Work that outlives its request, after app.Timeout for example, may still use the session: its changes are lost.
func TestSessionAfterTheResponse(t *testing.T) {
	sessions, err := middleware.Sessions(middleware.SessionOptions{Keys: [][]byte{key(1)}})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	host := apptest.New(sessions(func(r *app.Request) app.Answer {
		s := middleware.SessionOf(r)
		s.Set("user", "ann")
		go func() {
			defer close(over)
			for i := range 100 {
				s.Set("late", fmt.Sprint(i))
				s.Get("user")
			}
		}()
		return app.Ready(app.Text(200, "answered"))
	}))
	call := host.Do(apptest.Get("/"))
	<-over
	if pair, _ := cookieOf(t, call); pair == "" {
		t.Error("no cookie")
	}
}
