//go:build linux

package server_test

import (
	"context"
	"log"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// serveOverTLS serves with certificates from files, which are loaded again when they change. Requests without TLS are
// redirected. docs/tls.md and docs/embedding.md have copies; a test compares.
func serveOverTLS(ctx context.Context, handler app.Handler) error {
	certificates, err := certs.Open(certs.Options{
		Pairs: []certs.Pair{{Certificate: "a.pem", Key: "a.key"}},
	})
	if err != nil {
		return err
	}
	defer certificates.Close()
	return server.Run(ctx, server.Config{
		Handler:       handler,
		ListenTLS:     []string{":443"},
		RedirectHTTPS: []string{":80"},
		TLS:           certificates.Config(),
	})
}

func ExampleRun_tls() {
	handler := func(*app.Request) app.Answer {
		return app.Ready(app.Text(200, "Hello, World!"))
	}
	if err := serveOverTLS(context.Background(), handler); err != nil {
		log.Fatal(err)
	}
}
