//go:build linux

// Command handler serves an http.Handler.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

func main() {
	http.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!\n", r.PathValue("name"))
	})
	log.Fatal(nethttp.ListenAndServe(address.FromArguments(), nil))
}
