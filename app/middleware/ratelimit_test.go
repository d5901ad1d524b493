package middleware_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/middleware"
)

func TestLimitRate(t *testing.T) {
	h := middleware.LimitRate(middleware.RateOptions{
		Count: 60, Per: time.Minute, Burst: 3, Key: func(r *app.Request) string { return r.Fields.Get("X-Account") }, Name: "accounts",
	})(func(r *app.Request) app.Answer {
		if r.Path() == "/fails" {
			return app.Fail(app.Statusf(404, "no"))
		}
		return app.Ready(app.Text(200, "x"))
	})
	host := apptest.New(h)
	for _, c := range []struct {
		after             time.Duration
		path, account     string
		status            int
		limit, retryAfter string
	}{
		{0, "/", "a", 200, `"accounts";r=2;t=1`, ""},
		{0, "/fails", "a", 404, `"accounts";r=1;t=2`, ""},
		{0, "/", "a", 200, `"accounts";r=0;t=3`, ""},
		{0, "/", "a", 429, `"accounts";r=0;t=3`, "1"},
		{0, "/", "b", 200, `"accounts";r=2;t=1`, ""},
		{0, "/", "", 200, `"accounts";r=2;t=1`, ""},
		{500 * time.Millisecond, "/", "a", 429, `"accounts";r=0;t=3`, "1"},
		{500 * time.Millisecond, "/", "a", 200, `"accounts";r=0;t=3`, ""},
		{time.Hour, "/", "a", 200, `"accounts";r=2;t=1`, ""},
	} {
		host.Advance(c.after)
		call := host.Do(apptest.Get(c.path, "X-Account", c.account))
		if call.Status != c.status || call.Header.Get("RateLimit") != c.limit || call.Header.Get("Retry-After") != c.retryAfter ||
			call.Header.Get("RateLimit-Policy") != `"accounts";q=60;w=60` {
			t.Errorf("%+v: got %d %v", c, call.Status, call.Header)
		}
	}
}

func TestLimitRateQuietly(t *testing.T) {
	resp := app.Text(200, "x")
	host := apptest.New(middleware.LimitRate(middleware.RateOptions{Count: 1, Quiet: true})(always(resp)))
	if call := host.Do(apptest.Get("/")); call.Response != resp {
		t.Errorf("got %v", call.Header)
	}
	if call := host.Do(apptest.Get("/")); call.Status != 429 || call.Header.Has("RateLimit") || call.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d %v", call.Status, call.Header)
	}
}

// TestLimitRateIsBounded has clients that make keys up.
func TestLimitRateIsBounded(t *testing.T) {
	host := apptest.New(middleware.LimitRate(middleware.RateOptions{
		Count: 1, Burst: 50, Keys: 64, Key: func(r *app.Request) string { return r.Fields.Get("X-Account") },
	})(always(app.Text(200, "x"))))
	for range 51 {
		host.Do(apptest.Get("/", "X-Account", "greedy"))
	}
	for i := range 5000 {
		host.Do(apptest.Get("/", "X-Account", fmt.Sprint(i)))
	}
	if call := host.Do(apptest.Get("/", "X-Account", "greedy")); call.Status != 429 {
		t.Errorf("after 5000 other keys the limit is forgotten: %d", call.Status)
	}
}

// Without a burst, the whole count may come at once: a page with its pictures.
func TestLimitRateWithoutBurst(t *testing.T) {
	for _, c := range []struct {
		options middleware.RateOptions
		passes  int
		policy  string
	}{
		{middleware.RateOptions{Count: 100, Per: time.Minute}, 100, `"default";q=100;w=60`},
		{middleware.RateOptions{Count: 3}, 3, `"default";q=3;w=1`},
		{middleware.RateOptions{Count: 0.5}, 1, `"default";q=1;w=2`},
		{middleware.RateOptions{Count: 2, Per: 500 * time.Millisecond}, 2, `"default";q=2;w=1`},
	} {
		host := apptest.New(middleware.LimitRate(c.options)(always(app.Text(200, "x"))))
		passed := 0
		for host.Do(apptest.Get("/")).Status == 200 {
			passed++
		}
		if got := host.Do(apptest.Get("/")).Header.Get("RateLimit-Policy"); passed != c.passes || got != c.policy {
			t.Errorf("%+v: %d pass, the policy is %s", c.options, passed, got)
		}
	}
}

func TestLimitRateOptionsRefused(t *testing.T) {
	for name, o := range map[string]middleware.RateOptions{
		"nothing": {}, "a negative count": {Count: -1}, "a negative time": {Count: 1, Per: -1}, "negative keys": {Count: 1, Keys: -1},
		"a name of two words": {Count: 1, Name: "a b"},
	} {
		mustPanic(t, name, func() { middleware.LimitRate(o) })
	}
}

func ExampleLimitRate() {
	limited := middleware.LimitRate(middleware.RateOptions{
		Count: 100, Per: time.Minute, Burst: 20,
		Key: func(r *app.Request) string { return r.Fields.Get("X-Api-Key") },
	})

	host := apptest.New(limited(always(app.Text(200, "data"))))
	for range 20 {
		host.Do(apptest.Get("/", "X-Api-Key", "k"))
	}
	call := host.Do(apptest.Get("/", "X-Api-Key", "k"))
	fmt.Println(call.Status, call.Header.Get("RateLimit-Policy"), call.Header.Get("Retry-After"))
	// Output: 429 "default";q=100;w=60 1
}
