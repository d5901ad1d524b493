//go:build linux

package main

import (
	"net/http"
	"strings"
	"testing"
)

const fromProxy = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"

// seenPeer sends an optional PROXY header and returns what the server takes for the peer, "" when it
// has closed the connection.
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

// testTrustProxy: a client's address is taken from fields only behind a trusted proxy.
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
