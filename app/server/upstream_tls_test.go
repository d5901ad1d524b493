//go:build linux

package server_test

import (
	"bufio"
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// ALPN decides about the protocol, whatever the dial says.
func TestUpstreamTLS(t *testing.T) {
	ca := issue(t, "ca", nil)
	address := goServer(t, http.HandlerFunc(describeRequest), &tls.Config{Certificates: []tls.Certificate{issue(t, "a.test", ca).pair()}})
	config := func(protocols ...string) *tls.Config {
		return &tls.Config{ServerName: "a.test", RootCAs: ca.pool(), NextProtos: protocols}
	}
	a := queries(t)
	for _, scene := range []struct {
		name   string
		config *tls.Config
		said   string // protocol of the dial
		want   string
	}{
		{"both", config("h2", "http/1.1"), app.HTTP11, app.HTTP2},
		{"HTTP/1.1", config("http/1.1"), app.HTTP2, app.HTTP11},
		{"none", config(), app.HTTP11, app.HTTP11},
	} {
		t.Run(scene.name, func(t *testing.T) {
			d := a.connect(&spi.Dial{Address: address, TLS: scene.config, Protocol: scene.said})
			if got := d.up.Protocol(); got != scene.want {
				t.Fatalf("protocol %s, want %s", got, scene.want)
			}
			if d.up.Info().TLS == nil {
				t.Error("the connection does not tell of TLS")
			}
			d.ask(&spi.Outgoing{Scheme: "https"}).answer(200, "GET a.test / ")
			d.ask(&spi.Outgoing{Scheme: "https", Method: "POST", Content: app.Bytes("x")}).answer(200, "POST a.test / x")
			d.close()
		})
	}
	failure := a.begin(&spi.Dial{Address: address, TLS: &tls.Config{ServerName: "a.test"}}).end()
	wantFailure(t, failure, kinds.TLSFail, false, true)
	b := scripted(t)
	slow := a.begin(&spi.Dial{Address: b.address(), TLS: config(), Timeout: 50 * time.Millisecond})
	b.accept()
	wantFailure(t, slow.end(), kinds.ConnectTimeout, false, true)
}

// The end of a TLS connection without close_notify does not complete content without a length.
func TestUpstreamTruncated(t *testing.T) {
	ca := issue(t, "ca", nil)
	b := scripted(t)
	d := queries(t).begin(&spi.Dial{Address: b.address(), TLS: &tls.Config{ServerName: "a.test", RootCAs: ca.pool()}, Protocol: app.HTTP11})
	raw := b.accept()
	peer := tls.Server(raw.Conn, &tls.Config{Certificates: []tls.Certificate{issue(t, "a.test", ca).pair()}})
	if err := peer.Handshake(); err != nil {
		t.Fatal(err)
	}
	d.await("connection", d.open)
	q := d.ask(&spi.Outgoing{})
	over := &line{Conn: peer, t: t, r: bufio.NewReader(peer)}
	over.request()
	over.say("HTTP/1.1 200 OK\r\n\r\nhello")
	raw.Close()
	wantFailure(t, q.failed(), kinds.UpstreamEOF, true, false)
}
