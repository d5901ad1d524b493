//go:build linux

package reactor

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// askBehind sends a header and a request, in pieces of the given size, and gives what the server says.
func askBehind(addr net.Addr, header []byte, piece int) (string, error) {
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	sent := append(header[:len(header):len(header)], "GET / HTTP/1.1\r\n\r\n"...)
	for len(sent) > 0 {
		n := min(piece, len(sent))
		if _, err := c.Write(sent[:n]); err != nil {
			return "", err
		}
		sent = sent[n:]
	}
	return readAnswer(bufio.NewReader(c))
}

func TestProxyHeaderNamesThePeer(t *testing.T) {
	_, addr := served(t, Config{}, ListenerConfig{ProxyProtocol: ProxyRequire, Open: openTeller})
	for _, version := range []byte{1, 2} {
		header := proxyHeader(t, version, tcpAddr("192.0.2.1:1234"), tcpAddr("192.0.2.2:443"))
		for _, piece := range []int{1, 20, 1000} {
			got, err := askBehind(addr, header, piece)
			if err != nil || got != "peer=192.0.2.1:1234 local=192.0.2.2:443" {
				t.Errorf("version %d in pieces of %d: %q, %v", version, piece, got, err)
			}
		}
	}
	// The proxy speaks for itself: its own address counts.
	if got, err := askBehind(addr, []byte("PROXY UNKNOWN\r\n"), 1000); err != nil || !strings.HasPrefix(got, "peer=127.0.0.1:") {
		t.Errorf("unknown peer: %q, %v", got, err)
	}
}

func TestProxyModesServed(t *testing.T) {
	foreign, err := TrustNetworks("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	header := proxyHeader(t, 2, tcpAddr("192.0.2.1:1234"), tcpAddr("192.0.2.2:443"))
	for _, c := range []struct {
		name    string
		mode    ProxyMode
		trusted func(net.Addr) bool
		header  []byte
		want    string // "": closed without an answer
	}{
		{"accept, header", ProxyAccept, nil, header, "peer=192.0.2.1:1234"},
		{"accept, none", ProxyAccept, nil, nil, "peer=127.0.0.1:"},
		{"accept, none, from a stranger", ProxyAccept, foreign, nil, "peer=127.0.0.1:"},
		{"accept, header from a stranger", ProxyAccept, foreign, []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), "peer=127.0.0.1:"},
		{"require, header", ProxyRequire, nil, header, "peer=192.0.2.1:1234"},
		{"require, none", ProxyRequire, nil, nil, ""},
		{"require, header from a stranger", ProxyRequire, foreign, header, ""},
		{"require, broken header", ProxyRequire, nil, []byte("PROXY TCP4 here there 1 2\r\n"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			logged, lines := observer.New(zapcore.InfoLevel)
			r, addr := served(t, Config{Logger: zap.New(logged)}, ListenerConfig{ProxyProtocol: c.mode, ProxyTrusted: c.trusted, Open: openTeller})
			got, err := askBehind(addr, c.header, 1000)
			if c.want != "" {
				if err != nil || !strings.HasPrefix(got, c.want) {
					t.Fatalf("%q, %v, want %s", got, err, c.want)
				}
				return
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%q, %v, want the connection closed", got, err)
			}
			settledStats(r)
			logqueue.Flush(r.log, patience)
			if lines.FilterMessage("connection refused").Len() != 1 {
				t.Errorf("logged: %v", lines.All())
			}
		})
	}
}

// haproxy starts Debian's haproxy in front of backend and gives the address it listens on.
func haproxy(t *testing.T, backend net.Addr, options string) net.Addr {
	t.Helper()
	file, addr := inheritable(t, "tcp", "127.0.0.1:0")
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	certstest.WriteFile(t, config, fmt.Appendf(nil, `
defaults
    mode tcp
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend front
    bind fd@3
    default_backend back
backend back
    server one %s %s
`, backend, options))
	cmd := exec.Command(toolPath(t, "haproxy", "haproxy"), "-db", "-f", config)
	cmd.ExtraFiles = []*os.File{file}
	talk(t, cmd)
	return addr
}

func TestHAProxy(t *testing.T) {
	for _, options := range []string{"send-proxy", "send-proxy-v2", "send-proxy-v2 check check-send-proxy inter 10ms", "send-proxy-v2 proxy-v2-options unique-id,ssl"} {
		t.Run(options, func(t *testing.T) {
			_, backend := served(t, Config{}, ListenerConfig{ProxyProtocol: ProxyRequire, Open: openTeller})
			c, err := net.Dial("tcp", haproxy(t, backend, options).String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			mustAsk(t, c, fmt.Sprintf("peer=%v local=%v", c.LocalAddr(), c.RemoteAddr()))
		})
	}
}

func TestHAProxyInFrontOfTLS(t *testing.T) {
	_, backend := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), ProxyProtocol: ProxyRequire, Open: openTeller})
	c := dialTLS(t, haproxy(t, backend, "send-proxy-v2"), &tls.Config{InsecureSkipVerify: true})
	mustAsk(t, c, fmt.Sprintf("peer=%v", c.LocalAddr()), `version="TLS 1.3"`)
}
