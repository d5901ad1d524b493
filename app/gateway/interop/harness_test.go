//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(grpcCase); name != "" {
		runGRPCCase(name)
		return
	}
	os.Exit(m.Run())
}

// patience bounds a failure, not a success.
const patience = time.Minute

// site is a server with a cleartext and a TLS address.
type site struct {
	*server.Server
	gateway       *gateway.Gateway
	plain, secure string
}

// serve starts a server.
func serve(t *testing.T, handler app.Handler) *site {
	t.Helper()
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{
		Handler: handler,
		Loops:   2,
		Logger:  zap.NewNop(),
		Listeners: []reactor.ListenerConfig{
			{Address: "127.0.0.1:0"},
			{Address: "127.0.0.1:0", TLS: store.Config()},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		store.Close()
	})
	return &site{Server: s, plain: s.Addrs()[0].String(), secure: s.Addrs()[1].String()}
}

// forward starts a gateway to these servers, whose certificates it does not verify.
func forward(t *testing.T, urls ...string) *site {
	t.Helper()
	b, err := gateway.NewBackend(client.OriginOptions{TLS: insecure}, urls...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	g := gateway.New(b, gateway.Options{})
	s := serve(t, g.Serve)
	s.gateway = g
	return s
}

var insecure = &tls.Config{InsecureSkipVerify: true}

// httpClient returns a client of net/http for http and https over HTTP/1.1 or HTTP/2.
func httpClient(t *testing.T, http2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	p.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &p, DisableCompression: true, TLSClientConfig: insecure.Clone(), ExpectContinueTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// need returns the path of a program, in $PATH or /usr/sbin.
func need(t *testing.T, program string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: .ci/tools installs it", program)
	return ""
}
