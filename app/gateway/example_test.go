package gateway_test

import (
	"context"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/server"
)

// What stands in docs/gateway.md, docs/gateway-file.md and docs/gateway-auth.md is copied from here; a test compares.

var (
	_ = serveBackend
	_ = openGateway
	_ = protected
)

// serveBackend forwards all requests to one server.
func serveBackend(ctx context.Context) error {
	backend, err := gateway.NewBackend(client.OriginOptions{}, "h2c://127.0.0.1:9000")
	if err != nil {
		return err
	}
	return server.Run(ctx, server.Config{
		Handler: gateway.To(backend, gateway.Options{Via: "edge"}),
		Listen:  []string{":8080"},
	})
}

// openGateway opens a gateway whose routes are Go values.
func openGateway() (*gateway.Gateway, error) {
	c := &config.Config{
		Routes:   map[string]config.Cases{"/": {{To: config.Shares{"users": 1}}}},
		Backends: map[string]config.Backend{"users": {Peers: config.Peers{List: []config.Peer{{URL: "h2c://10.0.0.1:8080"}}}}},
	}
	return gateway.Open(c, gateway.Options{}, gateway.Parts{})
}

// protected returns a handler that answers users with a password, at a limited rate.
func protected(handler app.Handler) (app.Handler, error) {
	users, err := auth.OpenBasic(auth.BasicOptions{File: "htpasswd"})
	if err != nil {
		return nil, err
	}
	rate, err := limit.NewRate(limit.RateOptions{Count: 100, Burst: 200})
	if err != nil {
		return nil, err
	}
	return middleware.Chain(handler, rate.Middleware, limit.NewConcurrency(500).Middleware, auth.Require(users)), nil
}
