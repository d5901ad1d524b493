//go:build linux

// Command hello answers on the event loop, with futures: at once, after a while, and after a call that blocks.
package main

import (
	"context"
	"log"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

func main() {
	config := server.Config{Handler: routes().Serve, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}

// routes returns the routes of the program.
func routes() *router.Router {
	var r router.Router
	r.HandleFunc("GET /hello/{name}", hello)
	r.Handle("GET /later/{name}", later)
	r.Handle("GET /blocking/{name}", blocking)
	return &r
}

// greeting is the response for a name.
func greeting(name string) *app.Response { return app.Text(200, "Hello, "+name+"!\n") }

// hello answers at once.
func hello(r *app.Request) (*app.Response, error) {
	return greeting(r.PathValue("name")), nil
}

// later answers after 100 ms, in which the loop serves other requests.
func later(r *app.Request) app.Answer {
	return app.Map(app.Sleep(r, 100*time.Millisecond), func(app.Done) (*app.Response, error) {
		return greeting(r.PathValue("name")), nil
	})
}

// blocking answers with the result of a call that blocks, which runs in a goroutine of its own.
func blocking(r *app.Request) app.Answer {
	name := r.PathValue("name")
	return app.Go(r, func(context.Context) (*app.Response, error) {
		time.Sleep(100 * time.Millisecond) // a query of a database, for example
		return greeting(name), nil
	})
}
