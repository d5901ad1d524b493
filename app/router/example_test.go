package router_test

import (
	"fmt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/problem"
	"github.com/gatewheel/gatewheel/app/router"
)

// members lets requests pass that have a token.
func members(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		if _, ok := r.Bearer(); !ok {
			return app.Fail(app.Statusf(401, "this is for members"))
		}
		return next(r)
	}
}

func status(*app.Request) (*app.Response, error) { return app.Text(200, "fine\n"), nil }

func getItem(r *app.Request) (*app.Response, error) {
	return app.Text(200, "item "+r.PathValue("id")+" by "+r.Pattern()+"\n"), nil
}

func createItem(*app.Request) app.Answer { return app.Ready(app.Empty(201)) }

func Example() {
	routes := router.Router{Failed: problem.Response}
	routes.HandleFunc("GET /status", status)
	items := routes.Group("/items", members)
	items.Handle("POST", createItem)
	items.HandleFunc("GET /{id}", getItem)

	host := apptest.New(routes.Serve)
	fmt.Print(string(host.Do(apptest.Get("/status")).Content))
	fmt.Print(string(host.Do(apptest.Get("/items/7")).Content))
	fmt.Print(string(host.Do(apptest.Get("/items/7", "Authorization", "Bearer a")).Content))
	// Output:
	// fine
	// {"detail":"this is for members","status":401,"title":"Unauthorized"}
	// item 7 by GET /items/{id}
}

// A router below a prefix, with middleware around it.
func ExampleRouter_MountRouter() {
	var shop, site router.Router
	shop.HandleFunc("GET /items/{id}", getItem)
	site.HandleFunc("GET /status", status)
	site.With(members).MountRouter("/shop", &shop)

	for _, route := range site.Routes() {
		fmt.Println(route.Pattern)
	}
	host := apptest.New(site.Serve)
	fmt.Print(string(host.Do(apptest.Get("/shop/items/7", "Authorization", "Bearer a")).Content))
	// Output:
	// GET /status
	// GET /shop/items/{id}
	// item 7 by GET /shop/items/{id}
}

// Any handler below a prefix: its requests have the rest of the path.
func ExampleRouter_Mount() {
	var site router.Router
	site.Mount("/echo", app.Sync(func(r *app.Request) (*app.Response, error) {
		return app.Text(200, r.Path()+" of "+r.Target), nil
	}))
	fmt.Println(string(apptest.New(site.Serve).Do(apptest.Get("/echo/a/b?c")).Content))
	// Output: /a/b of /echo/a/b?c
}
