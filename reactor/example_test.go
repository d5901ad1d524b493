//go:build linux

package reactor_test

import (
	"context"
	"time"

	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

var _ = dial

// dial opens a connection over TLS. docs/tls.md has a copy; a test compares.
func dial(ctx context.Context, loop *reactor.Loop, open func(*reactor.Conn) reactor.Session, fail func(error)) (*certs.ClientStore, error) {
	store, err := certs.OpenClient(certs.ClientOptions{
		Authorities: []string{"ca.pem"},                                         // default: those of the system
		Certificate: certs.Pair{Certificate: "gateway.pem", Key: "gateway.key"}, // if servers ask for one
	})
	if err != nil {
		return nil, err
	}
	config := store.Config("orders.internal", "h2", "http/1.1") // once for each address
	loop.Dial(ctx, reactor.DialConfig{
		Address: "10.0.0.1:8443", TLS: config(), Timeout: 2 * time.Second,
		Open: open, // returns the Session; Conn.TLS has the NegotiatedProtocol
		Fail: fail, // gets a *reactor.DialError
	})
	return store, nil
}
