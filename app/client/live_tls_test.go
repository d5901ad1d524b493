//go:build linux

package client_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// tlsBackend starts Go's server over TLS, which offers HTTP/2 unless it is left out, and returns its address.
func tlsBackend(t *testing.T, p *processed, authority *certstest.Authority, http2 bool) string {
	t.Helper()
	certificate, key := authority.Issue(t, nil, "backend.test")
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newGoServer(p)
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(http2)
	s.Protocols = &protocols
	go s.ServeTLS(listener, "", "")
	t.Cleanup(func() { s.Close() })
	return listener.Addr().String()
}

func TestLiveTLS(t *testing.T) {
	authority := certstest.NewAuthority(t, "authority")
	trusted := &tls.Config{RootCAs: authority.Pool()}
	for name, c := range map[string]struct {
		scheme  string
		http2   bool
		options client.OriginOptions
		want    client.Kind // 0: it succeeds
		speaks  string
	}{
		"https to HTTP/2":            {"https", true, client.OriginOptions{TLS: trusted}, 0, app.HTTP2},
		"https to HTTP/1.1":          {"https", false, client.OriginOptions{TLS: trusted}, 0, app.HTTP11},
		"https that wants HTTP/1.1":  {"https", true, client.OriginOptions{TLS: trusted, HTTP1: true}, 0, app.HTTP11},
		"h2 to HTTP/2":               {"h2", true, client.OriginOptions{TLS: trusted}, 0, app.HTTP2},
		"h2 to HTTP/1.1":             {"h2", false, client.OriginOptions{TLS: trusted}, client.TLSFail, ""},
		"an authority it knows not":  {"https", true, client.OriginOptions{}, client.TLSFail, ""},
		"a name it has not asked of": {"https", true, client.OriginOptions{TLS: &tls.Config{RootCAs: authority.Pool(), ServerName: "other.test"}}, client.TLSFail, ""},
		"certificates of each connection": {"https", true, client.OriginOptions{Certificates: func(host string, protocols ...string) func() *tls.Config {
			return func() *tls.Config {
				return &tls.Config{RootCAs: authority.Pool(), ServerName: host, NextProtos: protocols}
			}
		}}, 0, app.HTTP2},
	} {
		t.Run(name, func(t *testing.T) {
			var p processed
			c.options.Addresses = []string{tlsBackend(t, &p, authority, c.http2)}
			l := newLive(t, c.scheme+"://backend.test", c.options)
			_, speaks, err := l.once("/")
			kind := client.Kind(0)
			if err != nil {
				kind = err.Kind
			}
			if kind != c.want || speaks != c.speaks {
				t.Errorf("got %v over %q, want kind %v over %q", err, speaks, c.want, c.speaks)
			}
		})
	}
}
