package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// A handler that counts the visits of a browser.
func ExampleResponse_WithCookie() {
	visits := app.Sync(func(r *app.Request) (*app.Response, error) {
		visits := ""
		if c, err := r.Cookie("visits"); err == nil {
			visits = c.Value
		}
		visits += "I"
		return app.Text(200, visits).WithCookie(&http.Cookie{Name: "visits", Value: visits, Path: "/", HttpOnly: true}), nil
	})
	host := apptest.New(visits)
	call := host.Do(apptest.Get("/", "Cookie", "theme=dark; visits=II"))
	fmt.Println(string(call.Content), call.Header.Get("Set-Cookie"))
	// Output: III visits=III; Path=/; HttpOnly
}

func TestCookies(t *testing.T) {
	host := apptest.New(app.Sync(func(r *app.Request) (*app.Response, error) {
		var b strings.Builder
		for _, c := range r.Cookies() {
			fmt.Fprintf(&b, "%s=%s ", c.Name, c.Value)
		}
		_, err := r.Cookie("none")
		return app.Text(200, fmt.Sprint(b.String(), err == http.ErrNoCookie)), nil
	}))
	// HTTP/2 may split cookies into several lines (RFC 9113 section 8.2.3).
	host.Do(apptest.Get("/", "Cookie", "a=1; b=\"2\"", "cookie", "c=3; empty; =4; d=\\; e e=5")).Want(t, 200, "a=1 b=2 c=3 empty= true")
	host.Do(apptest.Get("/")).Want(t, 200, "true")
}

func TestSeveralCookies(t *testing.T) {
	shared := app.Text(200, "")
	set := shared.WithCookie(&http.Cookie{Name: "a", Value: "1"}).WithCookie(&http.Cookie{Name: "b", Value: "2"})
	if got := fmt.Sprint(set.Fields.Values("Set-Cookie")); got != "[a=1 b=2]" || shared.Fields.Has("Set-Cookie") {
		t.Errorf("%s, %q", got, shared.Fields)
	}
	defer func() {
		if got, ok := recover().(string); !ok || !strings.HasPrefix(got, `app: the cookie "a b" is invalid`) {
			t.Errorf("got %v", got)
		}
	}()
	shared.WithCookie(&http.Cookie{Name: "a b"})
}
