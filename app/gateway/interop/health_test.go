//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// watch starts a gateway to one backend with health checks, and returns its address and the changes of its peers.
func watch(t *testing.T, b config.Backend) (address string, changes <-chan string) {
	t.Helper()
	told := make(chan string, 100)
	g, err := gateway.Open(&config.Config{
		Routes:   map[string]config.Cases{"/": {{To: config.Shares{"b": 1}}}},
		Backends: map[string]config.Backend{"b": b},
	}, gateway.Options{PeerChanged: func(_, _ string, e gateway.PeerEvent, err error) {
		told <- e.String()
		t.Log(e, err)
	}}, gateway.Parts{Certificates: func(*config.TLS) (func(string, ...string) func() *tls.Config, error) {
		return func(_ string, protocols ...string) func() *tls.Config {
			c := insecure.Clone()
			c.NextProtos = protocols
			return func() *tls.Config { return c }
		}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{
		Handler: g.Serve, Loops: 2, Logger: zap.NewNop(), Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
		Hooks: server.Hooks{LoopStart: func(loop app.Loop) (any, error) {
			g.LoopStart(loop)
			return nil, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s.Addrs()[0].String(), told
}

func wantChange(t *testing.T, changes <-chan string, want string) {
	t.Helper()
	select {
	case got := <-changes:
		if got != want {
			t.Fatalf("the peer is %s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the peer does not become %s", want)
	}
}

// TestGRPCHealth: the answers of grpc-go's health service decide, in the clear and over TLS.
func TestGRPCHealth(t *testing.T) {
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	overTLS := grpc.Creds(credentials.NewTLS(&tls.Config{
		GetConfigForClient: store.Config().GetConfigForClient, GetCertificate: store.Config().GetCertificate,
		Certificates: store.Config().Certificates, NextProtos: []string{"h2"},
	}))
	for scheme, options := range map[string][]grpc.ServerOption{"h2c": nil, "h2": {overTLS}} {
		for _, service := range []string{"", "a.Service"} {
			t.Run(fmt.Sprintf("%s %q", scheme, service), func(t *testing.T) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s, status := grpc.NewServer(options...), health.NewServer()
				grpc_health_v1.RegisterHealthServer(s, status)
				status.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
				go func() { _ = s.Serve(listener) }()
				defer s.Stop()
				_, changes := watch(t, config.Backend{
					Peers:  config.Peers{List: []config.Peer{{URL: scheme + "://" + listener.Addr().String()}}},
					Health: &config.Health{GRPC: &service, Every: 20 * time.Millisecond, Timeout: 5 * time.Second, Rise: 2, Fall: 2},
				})
				status.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
				wantChange(t, changes, "unhealthy")
				status.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
				wantChange(t, changes, "healthy")
				if service != "" {
					status.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN)
				} else {
					s.Stop()
				}
				wantChange(t, changes, "unhealthy")
			})
		}
	}
}
