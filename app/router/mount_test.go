package router_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/router"
)

func TestMountStripsThePrefix(t *testing.T) {
	var routes router.Router
	routes.Handle("/", show())
	routes.Mount("/users/{id}/files", show("id"))
	routes.Mount("GET site.example/only", show())
	routes.Group("/group", tagged("group")).Mount("/below/", show())
	host := apptest.New(routes.Serve)
	expect(t, host, "/users/7/files/a/b", 200, `/users/{id}/files/ id="7" /a/b`)
	expect(t, host, "/users/%37/files/a%2Fb/", 200, `/users/{id}/files/ id="7" /a%2Fb/`)
	expect(t, host, "/users/7/files/", 200, `/users/{id}/files/ id="7" /`)
	expect(t, host, "/users/7/filesystem", 200, `/ /users/7/filesystem`)
	expect(t, host, "http://site.example/only/a", 200, `GET site.example/only/ /a`)
	expect(t, host, "/group/below/x", 200, `/group/below/ /x`)
	if got := host.Do(apptest.Get("/users/7/files?q=1")); got.Status != 307 || got.Header.Get("Location") != "/users/7/files/?q=1" {
		t.Errorf("%d %s", got.Status, got.Header.Get("Location"))
	}
	if got := host.Do(apptest.Get("/users/7/files/a?q=1")).Request; got.Target != "/users/7/files/a?q=1" || got.RawQuery != "q=1" {
		t.Errorf("%s, %s", got.Target, got.RawQuery)
	}
}

// handshake returns a WebSocket handshake, which is not redirected.
func handshake(target string) *apptest.Request {
	return apptest.Get(target, "Connection", "Upgrade", "Upgrade", "websocket")
}

func TestMountOfHandshakes(t *testing.T) {
	var routes router.Router
	routes.Mount("/a", show())
	host := apptest.New(routes.Serve)
	for target, want := range map[string]string{"/a": "/a/ /", "//a/./b": "/a/ /b", "/x/../a/b//c": "/a/ /b/c"} {
		if got := host.Do(handshake(target)); string(got.Content) != want {
			t.Errorf("%s: %d %q, want %q", target, got.Status, got.Content, want)
		}
	}
}

// TestMountedRouters: patterns and wildcards are those of all routers on the way.
func TestMountedRouters(t *testing.T) {
	var inner, middle, outer router.Router
	inner.Handle("GET /", show("a", "b"))
	inner.Handle("GET /items/{id}", show("a", "b", "id"))
	inner.Handle("POST /items/{$}", show())
	inner.Handle("GET /tree/", show())
	middle.MountRouter("/inner/{b}", &inner)
	middle.Handle("/exact", show("a"))
	outer.Group("/outer").Mount("/{a}", tagged("mount")(middle.Serve))
	outer.Mount("/other", inner.Serve)
	host := apptest.New(outer.Serve)
	expect(t, host, "/outer/1/inner/2/items/3", 200, `GET /outer/{a}/inner/{b}/items/{id} a="1" b="2" id="3" /items/3`)
	expect(t, host, "/outer/1/inner/2/x/y", 200, `GET /outer/{a}/inner/{b}/ a="1" b="2" /x/y`)
	expect(t, host, "/outer/1/exact", 200, `/outer/{a}/exact a="1" /exact`)
	expect(t, host, "/other/items/3", 200, `GET /other/items/{id} a="" b="" id="3" /items/3`)
	for target, want := range map[string]string{
		"/outer/1/inner/2/tree?q=1":   "/outer/1/inner/2/tree/?q=1",
		"/outer/1/inner/2/tree//a/..": "/outer/1/inner/2/tree",
		"/outer/%41/inner/2/tree":     "/outer/%41/inner/2/tree/",
		"/other/tree":                 "/other/tree/",
		"/other":                      "/other/",
	} {
		if got := host.Do(apptest.Get(target)); got.Status != 307 || got.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", target, got.Status, got.Header.Get("Location"), want)
		}
	}
	if got := host.Do(apptest.Get("/outer/1/nothing")); got.Status != 404 || got.Request.Pattern() != "/outer/{a}/" {
		t.Errorf("%d %s", got.Status, got.Request.Pattern())
	}
	if got := host.Do(apptest.Post("/outer/1/inner/2/items/3", "text/plain", "")); got.Status != 405 || got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %s", got.Status, got.Header.Get("Allow"))
	}
}

// TestRouterBelowARouteOfAMount: a router that is called by a route, without a mount of its own.
func TestRouterBelowARouteOfAMount(t *testing.T) {
	var last, middle, outer router.Router
	last.Handle("/x/{id}", show("a", "id"))
	middle.Handle("/x/{name}", last.Serve)
	outer.Mount("/{a}", middle.Serve)
	expect(t, apptest.New(outer.Serve), "/1/x/2", 200, `/{a}/x/{id} a="1" id="2" /x/2`)
}

func TestRoutes(t *testing.T) {
	var inner, outer router.Router
	inner.Handle("POST /items/{id}", show())
	inner.Handle("/{$}", show())
	outer.Handle("GET example.com/", show())
	outer.MountRouter("GET /a/{x}", &inner)
	outer.Group("/files").Mount("/all", show())
	want := []router.Route{
		{"GET example.com/", "GET", "example.com", "/"},
		{"POST /a/{x}/items/{id}", "POST", "", "/a/{x}/items/{id}"},
		{"GET /a/{x}/{$}", "GET", "", "/a/{x}/{$}"},
		{"/files/all/", "", "", "/files/all/"},
	}
	if got := outer.Routes(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestRoutesBelowMountsAreMadeOnce: the first requests on several loops get one pattern.
func TestRoutesBelowMountsAreMadeOnce(t *testing.T) {
	var inner, outer router.Router
	var mu sync.Mutex
	patterns := map[string]int{}
	inner.HandleFunc("/b", func(r *app.Request) (*app.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		patterns[r.Pattern()]++
		return app.Empty(204), nil
	})
	outer.Mount("/a", inner.Serve)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			host := apptest.New(outer.Serve)
			for range 10 {
				host.Do(apptest.Get("/a/b"))
			}
		})
	}
	wait.Wait()
	if len(patterns) != 1 || patterns["/a/b"] != 40 {
		t.Errorf("%v", patterns)
	}
}
