//go:build linux

package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialFrom connects from an address of this host.
func (c *child) dialFrom(address string) net.Conn {
	c.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}).Dial("tcp", c.address())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// answers sends a request on a new connection from that address, which stays open, and wants that status.
func (c *child) answers(address string, status int) *http.Response {
	c.t.Helper()
	conn := c.dialFrom(address)
	send(c.t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	return wantStatus(c.t, conn, status)
}

func testPeerConnections(t *testing.T) {
	c := serve(t, "--peer-connections", "2")
	c.answers("127.0.0.1", http.StatusOK)
	c.answers("127.0.0.1", http.StatusOK)
	if r := c.answers("127.0.0.1", http.StatusServiceUnavailable); r.Header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
	c.answers("127.0.0.2", http.StatusOK)
}

func testPeerConnectionRate(t *testing.T) {
	c := serve(t, "--peer-connection-rate", "0.01")
	c.answers("127.0.0.1", http.StatusOK)
	if r := c.answers("127.0.0.1", http.StatusTooManyRequests); r.Header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
	c.answers("127.0.0.2", http.StatusOK)
}

func testPeerHandshakeRate(t *testing.T) {
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--peer-handshake-rate", "0.01")
	handshake := func(address string) error {
		conn := tls.Client(c.dialFrom(address), &tls.Config{InsecureSkipVerify: true})
		return conn.HandshakeContext(t.Context())
	}
	if err := handshake("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if err := handshake("127.0.0.1"); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("the second handshake: %v", err)
	}
	if err := handshake("127.0.0.2"); err != nil {
		t.Error(err)
	}
}

func testPeerRequests(t *testing.T) {
	c := serve(t, "--peer-requests", "1")
	waits := c.dial()
	send(t, waits, "GET /delay/1h HTTP/1.1\r\nHost: x\r\n\r\n")
	sees(t, "a request is refused", c, http.StatusServiceUnavailable)
	c.answers("127.0.0.2", http.StatusOK)
	if err := waits.(*net.TCPConn).SetLinger(0); err != nil { // a FIN alone does not end a request
		t.Fatal(err)
	}
	_ = waits.Close()
	sees(t, "a request is served", c, http.StatusOK)
}

// sees repeats a request until it is answered with that status.
func sees(t *testing.T, what string, c *child, status int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		switch got, _ := c.ask(http.MethodGet, "/", ""); {
		case got == status:
			return
		case time.Now().After(deadline):
			t.Fatalf("never: %s; the last status is %d", what, got)
		}
	}
}

func testPeerPrefixes(t *testing.T) {
	c := serve(t, "--peer-connections", "1", "--peer-prefix-v4", "24")
	c.answers("127.0.0.1", http.StatusOK)
	c.answers("127.0.0.2", http.StatusServiceUnavailable)
	c.answers("127.0.1.1", http.StatusOK)
	c = serve(t, "--listen", "127.0.0.1:0", "--proxy-protocol", "require", "--peer-connections", "1", "--peer-prefix-v6", "48")
	for _, behind := range []struct {
		address string
		status  int
	}{{"2001:db8:1::1", 200}, {"2001:db8:1:ffff::1", 503}, {"2001:db8:2::1", 200}} {
		conn := c.dial()
		send(t, conn, "PROXY TCP6 "+behind.address+" 2001:db8::1 1234 80\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
		wantStatus(t, conn, behind.status)
	}
}

func testPeerExempt(t *testing.T) {
	for _, flags := range [][]string{{"--peer-exempt", "127.0.0.0/24"}, {"--peer-exempt", "10.0.0.0/8,127.0.0.1"}, {"--trust-proxy", "127.0.0.1"}} {
		c := serve(t, append(flags, "--peer-connections", "1")...)
		c.answers("127.0.0.1", http.StatusOK)
		c.answers("127.0.0.1", http.StatusOK)
		c.answers("127.0.1.2", http.StatusOK)
		c.answers("127.0.1.2", http.StatusServiceUnavailable)
	}
	if code, _, stderr := toEnd(t, nil, "serve", "--peer-exempt", "somewhere"); code != exitUsage || !strings.Contains(stderr, "not a network") {
		t.Errorf("a name is no network: exit %d, %q", code, stderr)
	}
}
