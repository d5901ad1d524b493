package router_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/router"
)

// show answers with the request's pattern and path, and the wildcards with those names.
func show(names ...string) app.Handler {
	return app.Sync(func(r *app.Request) (*app.Response, error) {
		return app.Text(200, describe(r.Pattern(), names, r.PathValue)+" "+r.RawPath), nil
	})
}

// tagged returns middleware that adds a field line.
func tagged(tag string) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			return app.Map(next(r), func(resp *app.Response) (*app.Response, error) { return resp.WithAdded("Tag", tag), nil })
		}
	}
}

// expect sends a GET and checks status and content.
func expect(t *testing.T, host *apptest.Host, target string, status int, content string) {
	t.Helper()
	if got := host.Do(apptest.Get(target)); got.Status != status || string(got.Content) != content {
		t.Errorf("GET %s: %d %q, want %d %q", target, got.Status, got.Content, status, content)
	}
}

func TestGroups(t *testing.T) {
	var routes router.Router
	routes.Handle("/", show())
	api := routes.Group("/api/{version}", tagged("outer"))
	items := api.Group("/items", tagged("inner"))
	items.Handle("GET", show("version"))
	items.Handle("POST", show("version"))
	items.Handle("GET /{id}", show("version", "id"))
	items.Handle("/", show())
	api.With(tagged("one")).Handle("GET /status", show())
	api.Handle("", show())
	hosted := routes.Group("site.example/here")
	hosted.Handle("/{$}", show())
	host := apptest.New(routes.Serve)

	expect(t, host, "/api/1/items", 200, `GET /api/{version}/items version="1" /api/1/items`)
	expect(t, host, "/api/1/items/2", 200, `GET /api/{version}/items/{id} version="1" id="2" /api/1/items/2`)
	expect(t, host, "/api/1/items/2/3", 200, `/api/{version}/items/ /api/1/items/2/3`)
	expect(t, host, "/api/1/status", 200, `GET /api/{version}/status /api/1/status`)
	expect(t, host, "/api/1", 200, `/api/{version} /api/1`)
	expect(t, host, "/api", 200, `/ /api`)
	expect(t, host, "http://site.example/here/", 200, `site.example/here/{$} /here/`)
	for target, want := range map[string]string{"/api/1/items": "inner outer", "/api/1/status": "one outer", "/api/1": "outer", "/": ""} {
		got := host.Do(apptest.Get(target)).Header.Values("Tag")
		if strings.Join(got, " ") != want {
			t.Errorf("%s: the middleware is %q, want %q", target, got, want)
		}
	}
}

// TestGroupsShareMiddleware: a group does not change another one below the same group.
func TestGroupsShareMiddleware(t *testing.T) {
	var routes router.Router
	base := routes.With(tagged("a"), tagged("b"), tagged("c"))
	first, second := base.With(tagged("first")), base.With(tagged("second"))
	first.Handle("/first", show())
	second.Handle("/second", show())
	host := apptest.New(routes.Serve)
	for _, name := range []string{"first", "second"} {
		if got := fmt.Sprint(host.Do(apptest.Get("/" + name)).Header.Values("Tag")); got != "["+name+" c b a]" {
			t.Errorf("/%s: %s", name, got)
		}
	}
}

func TestMistakesInGroups(t *testing.T) {
	for want, register := range map[string]func(*router.Router){
		`router: prefix "/a/": it must be a path that begins with a slash and does not end with one`:         func(m *router.Router) { m.Group("/a/") },
		`router: prefix "a": it must be a path that begins with a slash and does not end with one`:           func(m *router.Router) { m.Group("a") },
		`router: prefix "GET /a": it must be a path that begins with a slash and does not end with one`:      func(m *router.Router) { m.Group("GET /a") },
		`router: prefix "b.example/b": it must be a path that begins with a slash and does not end with one`: func(m *router.Router) { m.Group("a.example/a").Group("b.example/b") },
		`router: pattern "GET items": in a group with a prefix its path must begin with a slash`:             func(m *router.Router) { m.Group("/a").Handle("GET items", show()) },
		`router: pattern "/{x...}/b": {x...} must be at the end`:                                             func(m *router.Router) { m.Group("/{x...}").Handle("/b", show()) },
		`router: patterns "/a/{x}" and "GET /{y}/b" match the same request, and neither is more specific`:    func(m *router.Router) { m.Handle("GET /{y}/b", show()); m.Group("/a").Handle("/{x}", show()) },
		`router: patterns "GET /a/{id}" and "GET /a/{name}" match the same request, and neither is more specific`: func(m *router.Router) {
			m.Group("/a").Handle("GET /{name}", show())
			m.Group("/a").Handle("GET /{id}", show())
		},
		`router: patterns "/a/" and "/a/{rest...}" match the same request, and neither is more specific`: func(m *router.Router) { m.Handle("/a/{rest...}", show()); m.Mount("/a", show()) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("got %v\nwant %s", got, want)
				}
			}()
			register(new(router.Router))
		}()
	}
}
