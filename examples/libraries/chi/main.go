//go:build linux

// Command chi serves a router of chi with its middleware.
package main

import (
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

func main() {
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.Logger, middleware.Recoverer, middleware.Timeout(10*time.Second), middleware.Compress(5))
	r.Get("/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("Hello, " + chi.URLParam(r, "name") + "!\n"))
	})
	log.Fatal(nethttp.ListenAndServe(address.FromArguments(), r))
}
