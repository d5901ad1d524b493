package router_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/router"
)

// sets are sets of routes.
var sets = [][]string{
	{"/"},
	{"/{$}", "/a", "/a/", "/a/b", "/a/{x}", "/a/{x}/c", "/{rest...}"},
	{"GET /items/{id}", "POST /items", "DELETE /items/{id}", "GET /items/new", "/items/{id}/parts/{part...}"},
	{"HEAD /h", "GET /h", "POST /h", "GET /only", "PUT /{any}", "GET /{any}/x"},
	{"example.com/", "example.com/a", "/a", "GET other.org/{x}", "/{x}/y"},
	{"/esc%41ped/{x}", "/a%20b/", "/a%2Fb"},
	{"/b/{x}/", "/b/c/", "/b/{$}", "GET /b/c/d"}, {"/b/{x}/", "/b/{x}/{$}", "/b/c/d"},
	{"CONNECT /", "GET /{a}/{b}/{c}", "GET /x/{b}/z", "GET /x/y/z", "GET /{a...}"},
}

var targets = []string{
	"/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/q/c", "/a/q/c/", "/a/q/d/e", "/zzz", "/x/y",
	"/items", "/items/", "/items/1", "/items/new", "/items/1/parts", "/items/1/parts/", "/items/1/parts/2/3",
	"/h", "/only", "/only/x", "/escAped/1", "/esc%41ped/1", "/a%20b/", "/a%20b/c", "/a%2Fb", "/a%2fb",
	"/b/1", "/b/1/", "/b/1/2", "/b/c", "/b/c/", "/b/c/d", "/b/c/e", "/x/y/z", "/x/q/z", "/q/q/q", "/x/y/z/w",
	"//a", "/a//b", "/./a", "/a/../b/c/", "/..", "/a/.", "/items/a%2Fb", "/items/%zz", "/a/%e2%82%ac", "/x/y/?q=1", "/b/1?q=1",
}

// TestRouterMatchesLikeServeMux sends each request to both routers.
func TestRouterMatchesLikeServeMux(t *testing.T) {
	for _, set := range sets {
		var routes router.Router
		mux := http.NewServeMux()
		for _, pattern := range set {
			names := wildcards(pattern)
			routes.Handle(pattern, func(r *app.Request) app.Answer {
				return app.Ready(app.Text(200, describe(r.Pattern(), names, r.PathValue)))
			})
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, describe(r.Pattern, names, r.PathValue))
			})
		}
		host := apptest.New(routes.Serve)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
			for _, authority := range []string{"example.com", "other.org:8080"} {
				for _, target := range targets {
					same(t, set, host, mux, method, authority, target)
				}
			}
		}
	}
}

func same(t *testing.T, set []string, host *apptest.Host, mux http.Handler, method, authority, target string) {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return
	}
	request := &http.Request{Method: method, URL: u, Host: authority, RequestURI: target}
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, request)
	want := recorder.Result()
	got := host.Do(&apptest.Request{Method: method, Target: target, Host: authority})
	fail := func(what string, ours, theirs any) {
		t.Errorf("%q: %s %s%s: %s %v, ServeMux has %v", set, method, authority, target, what, ours, theirs)
	}
	if got.Status != want.StatusCode {
		fail("status", got.Status, want.StatusCode)
		return
	}
	if got.Header.Get("Allow") != want.Header.Get("Allow") {
		fail("Allow", got.Header.Get("Allow"), want.Header.Get("Allow"))
	}
	// ServeMux escapes a cleaned path that is escaped already a second time.
	location := strings.ReplaceAll(want.Header.Get("Location"), "%25", "%")
	if ours := got.Header.Get("Location"); unescaped(ours) != unescaped(location) {
		fail("Location", ours, location)
	}
	if got.Status == 200 && method != "HEAD" && string(got.Content) != recorder.Body.String() {
		fail("route", string(got.Content), recorder.Body.String())
	}
}

func unescaped(location string) string {
	path, query, _ := strings.Cut(location, "?")
	if u, err := url.PathUnescape(path); err == nil {
		path = u
	}
	return path + "?" + query
}

func wildcards(pattern string) (names []string) {
	for _, part := range strings.Split(pattern, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			names = append(names, name)
		}
	}
	return names
}

func describe(pattern string, names []string, value func(string) string) string {
	for _, name := range names {
		pattern += fmt.Sprintf(" %s=%q", name, value(name))
	}
	return pattern
}

func TestRouterRefusesLikeServeMux(t *testing.T) {
	registers := func(handle func(string), patterns []string) (ok bool) {
		defer func() { ok = recover() == nil }()
		for _, p := range patterns {
			handle(p)
		}
		return true
	}
	for _, patterns := range [][]string{
		{""}, {"a"}, {"GET"}, {"GET /a /b"}, {"G(T /"}, {"/{"}, {"/{}"}, {"/{x"}, {"/x}"}, {"/a{x}"}, {"/{x}b"},
		{"/{x}/{x}"}, {"/{1}"}, {"/{a-b}"}, {"/{$}/a"}, {"/{x...}/a"}, {"/{...}"}, {"{x}/"}, {"GET  /a"},
		{"GET /a//b"}, {"GET /a/../b"}, {"/é/{é}"}, {"/{x...}"}, {"example.com/"},
		{"/a", "/a"}, {"/a", "GET /a"}, {"GET /a", "HEAD /a"}, {"GET /a", "GET /a"}, {"/{x}", "/{y}"},
		{"/a/{x}", "/{x}/a"}, {"/a/{x}", "/{x...}"}, {"/a/", "/a/{x...}"}, {"/a/", "/a/{$}"}, {"/{$}", "/{x}"},
		{"GET /{x}", "/a"}, {"GET /a", "/{x}"}, {"HEAD /{x}", "GET /a"}, {"POST /{x}", "GET /a"},
		{"/a", "example.com/a"}, {"example.com/a", "example.com/a"}, {"a.com/x", "b.com/x"},
		{"/a/{x}/c", "/a/b/{y}"}, {"/a/{x}/c/", "/a/b/"}, {"/%61", "/a"},
	} {
		ours := registers(func(p string) { new(router.Router).Handle(p, nil) }, patterns[:1])
		if len(patterns) > 1 {
			var routes router.Router
			ours = registers(func(p string) { routes.Handle(p, nil) }, patterns)
		}
		mux := http.NewServeMux()
		theirs := registers(func(p string) { mux.HandleFunc(p, func(http.ResponseWriter, *http.Request) {}) }, patterns)
		if ours != theirs {
			t.Errorf("%q: accepted: %v, by ServeMux: %v", patterns, ours, theirs)
		}
	}
}

func TestConflictingPatterns(t *testing.T) {
	defer func() {
		want := `router: patterns "/{x}/a" and "/a/{x}" match the same request, and neither is more specific`
		if got := recover(); got != want {
			t.Errorf("got %v", got)
		}
	}()
	var routes router.Router
	routes.Handle("/a/{x}", nil)
	routes.Handle("/{x}/a", nil)
}

func TestOptionsOfTheWholeServer(t *testing.T) {
	var routes router.Router
	routes.Handle("/", func(*app.Request) app.Answer { return app.Ready(app.Text(200, "")) })
	host := apptest.New(routes.Serve)
	host.Do(&apptest.Request{Method: "OPTIONS", Target: "*"}).Want(t, 204, "")
	host.Do(apptest.Get("*")).Want(t, 400, "Bad Request\n")
}

// RFC 9110 section 4.2.3: a host has no case, and a final dot changes nothing. ServeMux compares the letters.
func TestHostsIgnoreCaseAndPort(t *testing.T) {
	var routes router.Router
	for _, pattern := range []string{"Example.COM/", "other.example/{x}", "[::1]/", "/"} {
		routes.Handle(pattern, func(r *app.Request) app.Answer { return app.Ready(app.Text(200, r.Pattern())) })
	}
	host := apptest.New(routes.Serve)
	for authority, want := range map[string]string{
		"example.com": "Example.COM/", "EXAMPLE.com": "Example.COM/", "eXample.Com:8080": "Example.COM/", "example.com:": "Example.COM/",
		"Other.Example:1": "other.example/{x}", "other.example": "other.example/{x}", "[::1]": "[::1]/",
		"example.co\u212a": "/", "example.com.": "Example.COM/", "example.com:1:2": "/",
	} {
		if got := host.Do(&apptest.Request{Target: "/a", Host: authority}); string(got.Content) != want {
			t.Errorf("%s: got %s, want %s", authority, got.Content, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("two patterns for one host are no conflict")
		}
	}()
	routes.Handle("eXAMPLE.com/", nil)
}

func TestRouterNotFound(t *testing.T) {
	routes := router.Router{NotFound: func(*app.Request) app.Answer {
		return app.Ready(app.Text(404, "nothing here"))
	}}
	routes.Handle("/a", func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) })
	apptest.New(routes.Serve).Do(apptest.Get("/b")).Want(t, 404, "nothing here")
}

// ServeMux takes a final segment %2F for a slash.
var slashSegment = regexp.MustCompile("/%2[fF]($|[/?])")

func TestEncodedSlashIsPartOfASegment(t *testing.T) {
	var routes router.Router
	routes.Handle("/{$}", func(*app.Request) app.Answer { return app.Ready(app.Text(200, "root")) })
	routes.Handle("/{x}", func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, r.PathValue("x")))
	})
	host := apptest.New(routes.Serve)
	host.Do(apptest.Get("/")).Want(t, 200, "root")
	host.Do(apptest.Get("/%2F")).Want(t, 200, "/")
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	var routes router.Router
	routes.Handle("/a/", func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) })
	host := apptest.New(routes.Serve)
	for target, want := range map[string]string{
		"//evil.example/x/..":    "/evil.example",
		`/\evil.example/x/..`:    "/%5cevil.example",
		`/x/../\evil.example/`:   "/%5cevil.example/",
		"/a?\u00e9":              "/a/?%c3%a9",
		"/./%5cevil.example?q= ": "/%5cevil.example?q=%20",
	} {
		if got := host.Do(apptest.Get(target)).Header.Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", target, got, want)
		}
	}
}

func FuzzRouterRoutesAsServeMux(f *testing.F) {
	for _, target := range targets {
		f.Add("GET", "example.com", target)
	}
	type pair struct {
		host *apptest.Host
		mux  *http.ServeMux
	}
	var pairs []pair
	for _, set := range sets {
		var routes router.Router
		mux := http.NewServeMux()
		for _, pattern := range set {
			routes.Handle(pattern, func(r *app.Request) app.Answer {
				return app.Ready(app.Text(200, r.Pattern()))
			})
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Pattern) })
		}
		pairs = append(pairs, pair{apptest.New(routes.Serve), mux})
	}
	f.Fuzz(func(t *testing.T, method, authority, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || target[0] != '/' || method == "" || authority == "" || strings.ToLower(authority) != authority || method == "CONNECT" || u.Host != "" || u.Scheme != "" || u.Opaque != "" ||
			u.EscapedPath() != strings.SplitN(target, "?", 2)[0] || strings.ContainsAny(target, "# \x00\t\x7f") ||
			strings.Contains(strings.ToLower(target), "%25") || slashSegment.MatchString(target) {
			return
		}
		for i, p := range pairs {
			same(t, sets[i], p.host, p.mux, method, authority, target)
		}
	})
}

// WebSocket clients do not follow redirects.
func TestHandshakesAreNotRedirected(t *testing.T) {
	var routes router.Router
	for _, pattern := range []string{"/ws", "/room/{name}/", "/{rest...}"} {
		routes.Handle(pattern, func(r *app.Request) app.Answer {
			return app.Ready(app.Text(200, r.Pattern()+" "+r.PathValue("name")))
		})
	}
	host := apptest.New(routes.Serve)
	for target, want := range map[string]string{
		"//ws": "/ws ", "/./ws": "/ws ", "/a/../ws?q=1": "/ws ", "/room/red": "/room/{name}/ red", "//room//red": "/room/{name}/ red", "/other": "/{rest...} ",
	} {
		r := apptest.Get(target)
		if call := host.Do(r); call.Status != 307 && target != "/other" {
			t.Errorf("GET %s: status %d, want a redirect", target, call.Status)
		}
		r = apptest.Get(target)
		r.Fields = append(r.Fields, app.Field{Name: "Connection", Value: "Upgrade"}, app.Field{Name: "Upgrade", Value: "websocket"})
		if call := host.Do(r); call.Status != 200 || string(call.Content) != want {
			t.Errorf("handshake at %s: status %d from %q, want %q", target, call.Status, call.Content, want)
		}
	}
}

// RFC 9110 section 9.3.7.
func TestOptionsOfAPath(t *testing.T) {
	var routes router.Router
	ok := func(*app.Request) app.Answer { return app.Ready(app.Text(200, "handler")) }
	routes.Handle("GET /items/{id}", ok)
	routes.Handle("PUT /items/{id}", ok)
	routes.Handle("OPTIONS /own", ok)
	routes.Handle("/any", ok)
	host := apptest.New(routes.Serve)
	for path, want := range map[string]string{
		"/items/1": "204 GET, HEAD, PUT, OPTIONS",
		"/own":     "200 ",
		"/any":     "200 ",
		"/none":    "404 ",
	} {
		got := host.Do(&apptest.Request{Method: "OPTIONS", Target: path})
		if text := fmt.Sprint(got.Status, " ", got.Header.Get("Allow")); text != want {
			t.Errorf("%s: got %q, want %q", path, text, want)
		}
	}
}

// RFC 9110 section 9.3.6: a server without tunnels does not implement the method, on any path.
func TestConnectIsNotImplemented(t *testing.T) {
	var routes router.Router
	ok := func(*app.Request) app.Answer { return app.Ready(app.Text(200, "handler")) }
	routes.Handle("GET /{$}", ok)
	routes.Handle("GET /items/{id}", ok)
	host := apptest.New(routes.Serve)
	for _, target := range []string{"/", "/items/1", "/none"} {
		if got := host.Do(&apptest.Request{Method: "CONNECT", Target: target}); got.Status != 501 {
			t.Errorf("%s: got %d", target, got.Status)
		}
	}
	routes.Handle("CONNECT /items/{id}", ok)
	host.Do(&apptest.Request{Method: "CONNECT", Target: "/items/1"}).Want(t, 200, "handler")
}

// RFC 3986 section 6.2.2: these are the same host.
func TestHostsInNormalForm(t *testing.T) {
	for pattern, authorities := range map[string][]string{
		"Site.Example/a":     {"site.example", "SITE.example.", "site.example:8080", "site.example.:", "s%69te.example"},
		"site.example./a":    {"site.example"},
		"[2001:DB8:0::1]/a":  {"[2001:db8::1]", "[2001:db8:0:0::1]:443"},
		"xn--bcher-kva.ch/a": {"XN--BCHER-KVA.ch"},
	} {
		var routes router.Router
		routes.Handle(pattern, func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) })
		host := apptest.New(routes.Serve)
		for _, authority := range authorities {
			if got := host.Do(&apptest.Request{Target: "/a", Host: authority}).Status; got != 204 {
				t.Errorf("%s for %q: %d", pattern, authority, got)
			}
		}
		if got := host.Do(&apptest.Request{Target: "/a", Host: "other.example"}).Status; got != 404 {
			t.Errorf("%s for another host: %d", pattern, got)
		}
	}
}

func TestInvalidHostsInPatterns(t *testing.T) {
	for _, pattern := range []string{"site.example:80/a", "site.example:/a", "[::1]:80/a", "bücher.ch/a", "[::1%25eth0]/a", "user@site.example/a"} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "router: pattern ") {
					t.Errorf("%q: panics with %q", pattern, text)
				}
			}()
			new(router.Router).Handle(pattern, nil)
		}()
	}
}
