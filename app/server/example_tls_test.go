//go:build linux

package server_test

import (
	"context"
	"log"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// Certificates from files, which are loaded again when they change.
func ExampleNew_tls() {
	handler := func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, "Hello, World!"))
	}
	certificates, err := certs.Open(certs.Options{
		Pairs: []certs.Pair{{Certificate: "a.pem", Key: "a.key"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer certificates.Close()
	s, err := server.New(server.Config{
		Handler:   handler,
		Listeners: []reactor.ListenerConfig{{Address: ":443", TLS: certificates.Config()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	_ = s.Wait()
}
