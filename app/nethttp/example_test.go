//go:build linux

package nethttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/router"
)

// serveUntil is the first program of docs/nethttp.md.
func serveUntil(ctx context.Context, mux http.Handler) error {
	server := nethttp.NewServer(&http.Server{Addr: "127.0.0.1:0", Handler: mux, IdleTimeout: time.Minute})
	server.Config.MaxConnections = 100_000

	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func ExampleServer() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fmt.Println(serveUntil(ctx, http.NotFoundHandler()))
	// Output: <nil>
}

func ExampleFrom() {
	handler := func(*app.Request) app.Answer { return app.Ready(app.Text(200, "hello")) }

	server := httptest.NewServer(nethttp.From(handler))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	fmt.Println(string(text))
	// Output: hello
}

func ExampleHandler() {
	mux := http.NewServeMux()
	hello := func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, "hello, "+r.PathValue("name")))
	}

	var routes router.Router
	routes.Handle("GET /fast/{name}", hello)
	routes.Handle("/{path...}", nethttp.Handler(mux))
	_ = routes.Serve // is the Handler of a server.Config
}
