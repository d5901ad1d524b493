//go:build linux

package nethttp_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/router"
)

func TestValuesOfTheRouter(t *testing.T) {
	var routes router.Router
	routes.Handle("GET /users/{id}/{rest...}", nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Pattern, " ", r.PathValue("id"), " ", r.PathValue("rest"))
	})))
	call := apptest.New(routes.Serve).Do(apptest.Get("/users/7/a/b"))
	call.Want(t, 200, "GET /users/{id}/{rest...} 7 a/b")
}

// The opening handshake of a WebSocket over HTTP/2 does not look like a GET to an http.Handler.
func TestExtendedConnectIsRefused(t *testing.T) {
	host := apptest.New(nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Error("the handler was called")
	})))
	request := apptest.Get("/", "Upgrade", "websocket", "Connection", "Upgrade")
	request.Protocol = "HTTP/2.0"
	host.Do(request).Want(t, 501, "there are no WebSockets over HTTP/2 here\n")
}
