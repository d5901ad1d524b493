//go:build linux

// Package acme holds a test of the server with autocert and a certificate authority that speaks ACME. It is a
// module of its own, so that the authority stays out of the others.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"go.uber.org/zap/zaptest"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

const (
	name = "gatewheel.test"
	// patience bounds a failure, not a success.
	patience = time.Minute
)

// The first handshakes for a name wait for its certificate, and the authority's own handshake comes meanwhile: the
// tls-alpn-01 challenge (RFC 8737). There is one slot for handshakes.
func TestAutocertWithTLSALPN01(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	manager := &autocert.Manager{Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(name), Client: &acme.Client{}}
	s, err := server.New(server.Config{
		Handler:   func(*app.Request) app.Answer { return app.Ready(app.Text(200, "hello")) },
		Logger:    zaptest.NewLogger(t),
		Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0", TLS: manager.TLSConfig()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Addrs()[0].(*net.TCPAddr)
	authority := serveAuthority(t, addr.Port)
	manager.Client.DirectoryURL = authority.URL + wfe.DirectoryPath
	manager.Client.HTTPClient = authority.Client()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		over, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(over); err != nil {
			t.Error(err)
		}
	})
	const clients = 4
	answers := make(chan string, clients)
	for range clients {
		go func() { answers <- ask(addr.String()) }()
	}
	for range clients {
		if answer := <-answers; answer != "hello" {
			t.Error("a client got ", answer)
		}
	}
}

// ask returns what a client heard, or its error.
func ask(addr string) string {
	issued := false
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // the authority makes a root of its own; who has issued is looked at below
			VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
				leaf, err := x509.ParseCertificate(raw[0])
				issued = err == nil && strings.Contains(leaf.Issuer.CommonName, "Pebble") && leaf.VerifyHostname(name) == nil
				return err
			},
		},
	}}
	response, err := client.Get("https://" + name + "/")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err.Error()
	case !issued:
		return "a certificate of somebody else"
	}
	return string(body)
}

// serveAuthority starts a certificate authority that finds every name at 127.0.0.1 and validates at that port.
func serveAuthority(t *testing.T, port int) *httptest.Server {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	logger := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
	validator := va.New(logger, 0, port, false, serveNames(t), store)
	front := wfe.New(logger, store, validator, issuer, []string{"ca.test"}, false, false, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)
	return s
}

// serveNames starts a name server that gives every name the address 127.0.0.1, and returns its own.
func serveNames(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
				A:   net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(reply)
	})}
	go func() { _ = names.ActivateAndServe() }()
	t.Cleanup(func() { _ = names.Shutdown() })
	return listener.Addr().String()
}
