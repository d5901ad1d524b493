//go:build linux

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// haproxy starts Debian's haproxy on a free port, in front of address, and returns its own address.
func haproxy(t *testing.T, address, options string) string {
	t.Helper()
	return haproxyIn(t, "tcp", "", address, options)
}

// haproxyIn is haproxy with a mode and further lines for its backend.
func haproxyIn(t *testing.T, mode, lines, address, options string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`defaults
	mode %s
	timeout connect 30s
	timeout client 30s
	timeout server 30s
frontend front
	bind fd@3
	default_backend back
backend back
	%s
	server one %s %s
`, mode, lines, address, options)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(toolPath(t, "haproxy"), "-db", "-q", "-f", config)
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return l.Addr().String()
}

// TestHAProxyTellsThePeer: the peer's address is that of haproxy's header, over each protocol.
func TestHAProxyTellsThePeer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "x.sock")
	c := serve(t, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--listen", "unix:"+socket, "--tls-self-signed",
		"--proxy-protocol", "require", "--proxy-from", "127.0.0.1")
	for _, options := range []string{"send-proxy", "send-proxy-v2"} {
		for _, back := range []string{strings.TrimPrefix(c.urls[0], "http://"), strings.TrimPrefix(c.urls[2], "https://"), "unix@" + socket} {
			secure := back == strings.TrimPrefix(c.urls[2], "https://")
			front := haproxy(t, back, options)
			for _, version := range []int{1, 2} {
				tr := transport(version, secure)
				var own string
				trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { own = i.Conn.LocalAddr().String() }}
				scheme := "http://"
				if secure {
					scheme = "https://"
				}
				request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", scheme+front+"/headers", nil)
				if err != nil {
					t.Fatal(err)
				}
				_, text := answer(t, &http.Client{Transport: tr}, request)
				tr.CloseIdleConnections()
				var seen struct{ Peer, Local, Protocol string }
				if err := json.Unmarshal([]byte(text), &seen); err != nil || seen.Peer != own || seen.Local != front || seen.Protocol != fmt.Sprintf("HTTP/%d.%d", version, version%2) {
					t.Errorf("%s to %s, HTTP/%d: %q, %v, want the peer %s", options, back, version, text, err, own)
				}
			}
		}
	}
}

// TestPROXYInFrontOfTLSFromAStranger: a peer outside --proxy-from cannot choose its address.
func TestPROXYInFrontOfTLSFromAStranger(t *testing.T) {
	for _, mode := range []string{"accept", "require"} {
		c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--proxy-protocol", mode, "--proxy-from", "10.0.0.0/8")
		conn := c.dial()
		send(t, conn, fromProxy)
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := secure.Handshake(); err == nil {
			send(t, secure, "GET /headers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			text, _ := io.ReadAll(secure)
			t.Errorf("%s: a stranger's header was taken: %q", mode, text)
		}
	}
}

// TestPROXYFromAnybodyIsReported: once for each listener that is not a unix socket.
func TestPROXYFromAnybodyIsReported(t *testing.T) {
	const says = "any peer may choose the address that it is seen under"
	c := serve(t, "--proxy-protocol", "require", "--listen", "127.0.0.1:0", "--listen", "unix:"+filepath.Join(t.TempDir(), "x.sock"))
	c.logs("listening")
	if got := strings.Count(c.stderr.String(), says); got != 1 {
		t.Errorf("reported %d times", got)
	}
	c = serve(t, "--proxy-protocol", "require", "--proxy-from", "10.0.0.0/8")
	c.logs("listening")
	if strings.Contains(c.stderr.String(), says) {
		t.Error("reported, although a network restricts who may send one")
	}
}
