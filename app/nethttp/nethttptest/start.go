//go:build linux

// Package nethttptest starts servers of package nethttp for tests.
package nethttptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp"
)

// Mode is the protocol that a test uses.
type Mode string

// Modes of Start.
const (
	H1    Mode = "h1"
	H1TLS Mode = "https1"
	H2TLS Mode = "h2"
	H2C   Mode = "h2unencrypted"
)

// Modes are all modes.
var Modes = []Mode{H1, H1TLS, H2TLS, H2C}

// encrypted reports whether the mode uses TLS.
func (m Mode) encrypted() bool { return m == H1TLS || m == H2TLS }

// Site is a server under test.
type Site struct {
	*nethttp.Server
	// Addr is host and port, URL the URL of the root.
	Addr, URL string
	// TLS is the configuration of clients; nil in cleartext modes.
	TLS *tls.Config

	mode Mode
	t    testing.TB
}

// Start serves s on a free port until the test ends. Options change the Server before it starts.
func Start(t testing.TB, mode Mode, s *http.Server, options ...func(*nethttp.Server)) *Site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	site := &Site{Server: nethttp.NewServer(s), Addr: l.Addr().String(), mode: mode, t: t}
	site.Config.Loops = 2
	for _, option := range options {
		option(site.Server)
	}
	served := make(chan error, 1)
	if mode.encrypted() {
		site.URL = "https://" + site.Addr
		site.useCertificate(s)
		go func() { served <- site.ServeTLS(l, "", "") }()
	} else {
		site.URL = "http://" + site.Addr
		go func() { served <- site.Serve(l) }()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := site.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
	return site
}

// useCertificate makes s use the certificate of package httptest, which clients then trust.
func (site *Site) useCertificate(s *http.Server) {
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	defer borrowed.Close()
	config := &tls.Config{}
	if s.TLSConfig != nil {
		config = s.TLSConfig.Clone()
	}
	config.Certificates = borrowed.TLS.Certificates
	config.NextProtos = []string{"http/1.1"}
	if site.mode == H2TLS {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	s.TLSConfig = config
	roots := x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	site.TLS = &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: config.NextProtos[:1]}
}

// Client returns a client of the site's mode, whose connections end with the test.
func (site *Site) Client() *http.Client {
	var protocols http.Protocols
	switch site.mode {
	case H2TLS:
		protocols.SetHTTP2(true)
	case H2C:
		protocols.SetUnencryptedHTTP2(true)
	default:
		protocols.SetHTTP1(true)
	}
	transport := &http.Transport{Protocols: &protocols}
	if site.TLS != nil {
		transport.TLSClientConfig = site.TLS.Clone()
	}
	site.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}
