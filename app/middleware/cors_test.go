package middleware_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/middleware"
)

// always answers with that response.
func always(resp *app.Response) app.Handler {
	return func(*app.Request) app.Answer { return app.Ready(resp) }
}

// mustPanic fails the test unless f panics.
func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s is accepted", name)
		}
	}()
	f()
}

func TestCORSOrigins(t *testing.T) {
	some := middleware.CORSOptions{Origins: []string{"https://a.example", "https://*.b.example:8443", "http://[::1]:8080"}}
	all := middleware.CORSOptions{Origins: []string{"*"}}
	asked := middleware.CORSOptions{AllowOrigin: func(r *app.Request, origin string) bool { return strings.HasPrefix(origin, r.Path()[1:]) }}
	for _, c := range []struct {
		options middleware.CORSOptions
		origin  string
		allowed string
	}{
		{some, "https://a.example", "https://a.example"},
		{some, "http://[::1]:8080", "http://[::1]:8080"},
		{some, "https://x.b.example:8443", "https://x.b.example:8443"},
		{some, "https://x.y.b.example:8443", "https://x.y.b.example:8443"},
		{some, "https://b.example:8443", ""},
		{some, "https://.b.example:8443", ""},
		{some, "https://x.b.example", ""},
		{some, "http://x.b.example:8443", ""},
		{some, "http://a.example", ""},
		{some, "https://a.example:443", ""},
		{some, "https://A.example", ""},
		{some, "https://a.example.evil", ""},
		{some, "https://evila.example", ""},
		{some, "https://evil/.b.example:8443", ""},
		{some, "https://evil:1@x.b.example:8443", ""},
		{some, "https://evil#.b.example:8443", ""},
		{some, "https://evil?x.b.example:8443", ""},
		{some, "https://evil\\.b.example:8443", ""},
		{some, "https://a.example https://evil", ""},
		{some, "null", ""},
		{some, "", ""},
		{some, "*", ""},
		{all, "https://any.example", "*"},
		{all, "null", "*"},
		{all, "", "*"},
		{asked, "https://a.example", "https://a.example"},
		{asked, "http://a.example", ""},
		{asked, "https://a.example\r\nX: y", ""},
	} {
		resp := always(app.Text(200, "x").With("Access-Control-Allow-Origin", "https://handlers.example"))
		call := apptest.New(middleware.CORS(c.options)(resp)).Do(apptest.Get("/https:", "Origin", c.origin))
		call.Want(t, 200, "x")
		if got := strings.Join(call.Header.Values("Access-Control-Allow-Origin"), " "); got != c.allowed {
			t.Errorf("%q: got %q, want %q", c.origin, got, c.allowed)
		}
		if varies := call.Header.HasToken("Vary", "Origin"); varies == (c.allowed == "*") {
			t.Errorf("%q: Vary is %v", c.origin, call.Header.Values("Vary"))
		}
	}
}

// What the handler says of this protocol does not extend the options.
func TestCORSReplacesFieldsOfTheHandler(t *testing.T) {
	resp := app.Empty(204).With("Access-Control-Allow-Origin", "*").With("Access-Control-Allow-Credentials", "true").
		With("Access-Control-Expose-Headers", "Secret")
	h := middleware.CORS(middleware.CORSOptions{Origins: []string{"https://a.example"}})(always(resp))
	for origin, want := range map[string]string{"https://a.example": "https://a.example", "https://b.example": ""} {
		got := apptest.New(h).Do(apptest.Get("/", "Origin", origin)).Header
		if got.Get("Access-Control-Allow-Origin") != want || got.Has("Access-Control-Allow-Credentials") || got.Has("Access-Control-Expose-Headers") {
			t.Errorf("%s: %v", origin, got)
		}
	}
}

func TestCORSPreflight(t *testing.T) {
	reached := 0
	h := middleware.CORS(middleware.CORSOptions{
		Origins: []string{"https://a.example"}, Methods: []string{"PUT", "DELETE", "PUT"}, Fields: []string{"Content-Type", "X-Key"},
		Exposed: []string{"X-Total"}, Credentials: true, MaxAge: 10 * time.Minute,
	})(func(r *app.Request) app.Answer {
		reached++
		if r.Path() == "/fails" {
			return app.Fail(app.Statusf(418, "no"))
		}
		return app.Ready(app.Text(200, r.Method))
	})
	host := apptest.New(h)
	preflight := func(origin string) *apptest.Call {
		r := apptest.Get("/", "Origin", origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", strings.Repeat("x,", 1000),
			"Access-Control-Request-Private-Network", "true")
		r.Method = "OPTIONS"
		return host.Do(r)
	}
	call := preflight("https://a.example")
	call.Want(t, 204, "")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Methods": "DELETE, GET, HEAD, POST, PUT",
		"Access-Control-Allow-Headers": "Content-Type, X-Key", "Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "600",
		"Vary": "Origin", "Access-Control-Allow-Private-Network": "",
	} {
		if got := call.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	call = preflight("https://evil.example")
	call.Want(t, 204, "")
	if len(call.Header) != 1 || call.Header.Get("Vary") != "Origin" {
		t.Errorf("a stranger gets %v", call.Header)
	}
	if reached != 0 {
		t.Error("a preflight request reached the handler")
	}
	options := apptest.Get("/", "Origin", "https://a.example")
	options.Method = "OPTIONS"
	host.Do(options).Want(t, 200, "OPTIONS")
	call = host.Do(apptest.Get("/fails", "Origin", "https://a.example"))
	call.Want(t, 418, "no\n")
	if call.Header.Get("Access-Control-Allow-Origin") == "" || call.Header.Get("Access-Control-Expose-Headers") != "X-Total" || call.Err == nil {
		t.Errorf("a failure: %v, %v", call.Header, call.Err)
	}
}

func TestCORSRefusesDangerousOptions(t *testing.T) {
	for name, o := range map[string]middleware.CORSOptions{
		"nothing":                             {},
		"all origins with credentials":        {Origins: []string{"*"}, Credentials: true},
		"all fields with credentials":         {Origins: []string{"https://a.example"}, Fields: []string{"*"}, Credentials: true},
		"all exposed fields with credentials": {Origins: []string{"https://a.example"}, Exposed: []string{"*"}, Credentials: true},
		"an origin with a path":               {Origins: []string{"https://a.example/"}},
		"an origin in upper case":             {Origins: []string{"https://A.example"}},
		"an origin with its default port":     {Origins: []string{"https://a.example:443"}},
		"an origin without a scheme":          {Origins: []string{"a.example"}},
		"null":                                {Origins: []string{"null"}},
		"a wildcard within":                   {Origins: []string{"https://a.*.example"}},
		"a wildcard for a domain":             {Origins: []string{"https://*"}},
		"userinfo":                            {Origins: []string{"https://u@a.example"}},
		"a method with a space":               {Origins: []string{"*"}, Methods: []string{"P UT"}},
		"a field with a line break":           {Origins: []string{"*"}, Fields: []string{"a\r\nb"}},
		"a negative age":                      {Origins: []string{"*"}, MaxAge: -1},
	} {
		mustPanic(t, name, func() { middleware.CORS(o) })
	}
}

func FuzzCORSOrigin(f *testing.F) {
	f.Add("https://a.b.example")
	f.Add("https://evil/.b.example")
	host := apptest.New(middleware.CORS(middleware.CORSOptions{Origins: []string{"https://*.b.example"}})(always(app.Empty(204))))
	f.Fuzz(func(t *testing.T, origin string) {
		allowed := host.Do(apptest.Get("/", "Origin", origin)).Header.Get("Access-Control-Allow-Origin")
		if allowed == "" {
			return
		}
		labels := strings.TrimSuffix(strings.TrimPrefix(origin, "https://"), ".b.example")
		if allowed != origin || strings.ContainsAny(labels, "/:@#?\\ %") || len(labels) != len(origin)-len("https://.b.example") {
			t.Errorf("%q is allowed as %q", origin, allowed)
		}
	})
}

func ExampleCORS() {
	cors := middleware.CORS(middleware.CORSOptions{
		Origins:     []string{"https://app.example.com"},
		Methods:     []string{"PUT", "DELETE"},
		Fields:      []string{"Content-Type"},
		Credentials: true,
		MaxAge:      10 * time.Minute,
	})

	host := apptest.New(cors(always(app.Text(200, "data"))))
	call := host.Do(apptest.Get("/", "Origin", "https://app.example.com"))
	fmt.Println(call.Header.Get("Access-Control-Allow-Origin"))
	// Output: https://app.example.com
}
