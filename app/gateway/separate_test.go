//go:build linux

package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// tellConn answers with the client's address that the PROXY header has, and with the address of the connection's
// description, which is another one for each connection.
func tellConn(r *app.Request) app.Future[*app.Response] {
	return app.Ready(app.Text(200, "").With("X-Peer", r.Conn().PeerString()).With("X-Conn", fmt.Sprintf("%p", r.Conn())))
}

// client1 is a connection of a client that sends one request after another.
type client1 struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func connect(t *testing.T, address string) *client1 {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client1{t, conn, bufio.NewReader(conn)}
}

func (c *client1) get() *http.Response {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp
}

// A connection to a peer that gets PROXY headers, or is not shared, serves one connection of a client, for several
// requests, and ends with it.
func TestConnectionsOfOneClient(t *testing.T) {
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for _, scheme := range []string{"http", "h2c", "https", "h2"} {
		for _, c := range []struct {
			key  string
			mode reactor.ProxyMode
		}{{"proxy-protocol: v1", reactor.ProxyRequire}, {"proxy-protocol: v2", reactor.ProxyRequire}, {"share: false", reactor.ProxyOff}} {
			t.Run(scheme+" "+c.key, func(t *testing.T) {
				peer, s := serveOn(t, tellConn, func(config *server.Config) {
					l := reactor.ListenerConfig{Address: "127.0.0.1:0", ProxyProtocol: c.mode}
					if scheme == "https" || scheme == "h2" {
						l.TLS = store.Config()
					}
					config.Listeners = []reactor.ListenerConfig{l}
				})
				g, err := gateway.Open(parsed(t, "routes: {/: a}\nbackends: {a: {peers: "+scheme+"://"+peer+", "+c.key+", health: {request: GET /, every: 20ms, timeout: 5s}}}\n"),
					gateway.Options{PeerChanged: func(_, peer string, e gateway.PeerEvent, err error) { t.Errorf("%s %v: %v", peer, e, err) }},
					gateway.Parts{Certificates: func(*config.TLS) (func(string, ...string) func() *tls.Config, error) {
						return func(_ string, protocols ...string) func() *tls.Config {
							config := &tls.Config{InsecureSkipVerify: true, NextProtos: protocols, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
							return func() *tls.Config { return config }
						}, nil
					}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(g.Close)
				address, _ := serveOn(t, g.Serve, startsWith(g))
				seen := map[string]string{}
				clients := []*client1{connect(t, address), connect(t, address), connect(t, address)}
				for range 3 {
					for _, client := range clients {
						resp := client.get()
						local := client.conn.LocalAddr().String()
						if got := resp.Header.Get("X-Peer"); c.mode == reactor.ProxyRequire && got != local {
							t.Fatalf("status %d: the peer saw %q as the client, want %s", resp.StatusCode, got, local)
						}
						conn := resp.Header.Get("X-Conn")
						if owner, ok := seen[conn]; conn == "" || ok && owner != local {
							t.Errorf("the connection %s of %q has served %s", conn, owner, local)
						}
						seen[conn] = local
					}
				}
				if len(seen) != len(clients) {
					t.Errorf("%d connections to the peer for %d clients", len(seen), len(clients))
				}
				for _, client := range clients {
					_ = client.conn.Close()
				}
				for end := time.Now().Add(patience); g.Counts().Backend.Connections > 0; time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d connections are left after their clients", g.Counts().Backend.Connections)
					}
				}
				if refused := s.Stats().ProxyRefused; refused > 0 {
					t.Errorf("%d connections had no acceptable header", refused)
				}
			})
		}
	}
}

// A header without addresses declares a connection of the gateway itself.
func TestProxyHeaderOfAUnixClient(t *testing.T) {
	socket := t.TempDir() + "/s"
	peer, _ := serveOn(t, tellConn, func(c *server.Config) { c.Listeners[0].ProxyProtocol = reactor.ProxyRequire })
	for _, version := range []string{"v1", "v2"} {
		g, err := gateway.Open(parsed(t, "routes: {/: a}\nbackends: {a: {peers: http://"+peer+", proxy-protocol: "+version+"}}\n"), gateway.Options{}, gateway.Parts{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		serveOn(t, g.Serve, func(c *server.Config) {
			c.Listeners = []reactor.ListenerConfig{{Network: "unix", Address: socket + version}}
		})
		conn, err := net.Dial("unix", socket+version)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		resp := (&client1{t, conn, bufio.NewReader(conn)}).get()
		if got := resp.Header.Get("X-Peer"); resp.StatusCode != 200 || !strings.HasPrefix(got, "127.0.0.1:") {
			t.Errorf("%s: status %d, the peer saw %q, want the gateway", version, resp.StatusCode, got)
		}
	}
}
