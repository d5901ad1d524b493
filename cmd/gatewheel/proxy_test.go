//go:build linux

package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

const fromProxy = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"

// seenPeer sends an optional PROXY header and returns the peer's address as the server sees it, empty if the server
// closes the connection.
func seenPeer(t *testing.T, c *child, header string) string {
	t.Helper()
	conn := c.dial()
	send(t, conn, header+"GET /headers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	got := rest(t, conn)
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		return ""
	}
	_, peer, _ := strings.Cut(got, `"peer":"`)
	peer, _, _ = strings.Cut(peer, `"`)
	return peer
}

func testProxyProtocol(t *testing.T) {
	required := serve(t, "--proxy-protocol", "require")
	if got := seenPeer(t, required, fromProxy); got != "192.0.2.7:4711" {
		t.Errorf("required: the peer is %q", got)
	}
	if got := seenPeer(t, required, ""); got != "" {
		t.Errorf("required and absent: served, the peer is %q", got)
	}
	accepted := serve(t, "--proxy-protocol", "accept", "--proxy-from", "10.0.0.0/8", "--proxy-from", "127.0.0.1")
	if got := seenPeer(t, accepted, fromProxy); got != "192.0.2.7:4711" {
		t.Errorf("accepted: the peer is %q", got)
	}
	if got := seenPeer(t, accepted, ""); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("accepted and absent: the peer is %q", got)
	}
	if got := seenPeer(t, serve(t), fromProxy); got != "" {
		t.Errorf("off: served, the peer is %q", got)
	}
}

func testProxyFrom(t *testing.T) {
	stranger := serve(t, "--proxy-protocol", "require", "--proxy-from", "10.0.0.0/8")
	if got := seenPeer(t, stranger, fromProxy); got != "" {
		t.Errorf("a stranger was believed: the peer is %q", got)
	}
}

// testTrustProxy: only a trusted proxy's fields name the client's address.
func testTrustProxy(t *testing.T) {
	client := func(flags ...string) string {
		_, text := serve(t, flags...).ask(http.MethodGet, "/headers", "", "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https")
		_, client, _ := strings.Cut(text, `"client":{`)
		client, _, _ = strings.Cut(client, "}")
		return client
	}
	if got := client("--trust-proxy", "10.0.0.0/8", "--trust-proxy", "127.0.0.1"); !strings.Contains(got, "192.0.2.7") || !strings.Contains(got, "https") {
		t.Errorf("behind a trusted proxy the client is %q", got)
	}
	for _, flags := range [][]string{nil, {"--trust-proxy", "10.0.0.0/8"}} {
		if got := client(flags...); strings.Contains(got, "192.0.2.7") {
			t.Errorf("%q: the client is %q", flags, got)
		}
	}
}

// A proxy on a unix socket has no address: --trust-proxy unix trusts it, and no other proxy.
func TestTrustProxyOnAUnixSocket(t *testing.T) {
	for _, c := range []struct {
		flags []string
		unix  bool
		tcp   bool
	}{
		{nil, false, false},
		{[]string{"--trust-proxy", "unix"}, true, false},
		{[]string{"--trust-proxy", "127.0.0.0/8"}, false, true},
		{[]string{"--trust-proxy", "127.0.0.0/8,unix"}, true, true},
	} {
		path := filepath.Join(t.TempDir(), "x.sock")
		server := serve(t, append([]string{"--listen", "127.0.0.1:0", "--listen", "unix:" + path}, c.flags...)...)
		for _, place := range []struct {
			args []string
			want bool
		}{{[]string{"--unix-socket", path, "http://localhost/headers"}, c.unix}, {[]string{server.urls[0] + "/headers"}, c.tcp}} {
			got := curl(t, append([]string{"-H", "X-Forwarded-For: 192.0.2.7", "-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-Host: a.test"}, place.args...)...)
			_, client, _ := strings.Cut(got, `"client":{`)
			if believed := strings.HasPrefix(client, `"address":"192.0.2.7:0","scheme":"https","host":"a.test"`); believed != place.want {
				t.Errorf("%q, %q: the client is %.200q", c.flags, place.args, client)
			}
		}
	}
}

// testHandshakeTimeout: a connection without a complete handshake or PROXY header is closed.
func testHandshakeTimeout(t *testing.T) {
	for what, flags := range map[string][]string{
		"TLS":   {"--listen-tls", "127.0.0.1:0", "--tls-self-signed"},
		"PROXY": {"--listen", "127.0.0.1:0", "--proxy-protocol", "require"},
	} {
		c := serve(t, append(flags, "--tls-handshake-timeout", "50ms", "--head-timeout", "1h", "--idle-timeout", "1h")...)
		for _, begun := range []string{"", map[string]string{"TLS": "\x16\x03\x01", "PROXY": "PROX"}[what]} {
			conn := c.dial()
			send(t, conn, begun)
			if got := rest(t, conn); strings.HasPrefix(got, "HTTP/") {
				t.Errorf("%s: after %q it answered %q", what, begun, got)
			}
		}
	}
}
