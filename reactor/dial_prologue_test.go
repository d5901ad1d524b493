//go:build linux

package reactor

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// What is sent first arrives before the first request, and before the TLS handshake.
func TestPrologue(t *testing.T) {
	const prologue = "PROXY UNKNOWN\r\n"
	ca := newAuthority(t)
	s := serve(t, Config{Loops: 1}, nil)
	for name, config := range map[string]*tls.Config{"cleartext": nil, "TLS": ca.clientConfig()} {
		t.Run(name, func(t *testing.T) {
			first := make(chan string, 1)
			address := peer(t, func(c net.Conn) {
				line := make([]byte, len(prologue))
				_, _ = io.ReadFull(c, line)
				first <- string(line)
				if config != nil {
					c = tls.Server(c, ca.serverConfig())
				}
				_, _ = io.Copy(c, c)
			})
			d := newDials(t, s.loops[0])
			d.dialAs(context.Background(), DialConfig{Address: address, TLS: config, Prologue: []byte(prologue)})
			if got := await(t, first); got != prologue {
				t.Errorf("the peer has got %q first", got)
			}
			if text := await(t, d.answers); text != "echo over there\n" {
				t.Errorf("answered %q", text)
			}
		})
	}
}

// More than a socket's buffer takes is a failure to connect.
func TestPrologueThatIsTooLong(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	address, _ := accepting(t)
	d := newDials(t, s.loops[0])
	d.dialAs(context.Background(), DialConfig{Address: address, Prologue: make([]byte, 64<<20)})
	d.wantFailure(errPrologue)
}
