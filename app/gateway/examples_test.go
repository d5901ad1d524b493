//go:build linux

package gateway_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// peerURL matches the URL of a peer in a file; its groups are the scheme and what follows.
var peerURL = regexp.MustCompile(`\b(https?|h2c?|h2c\+unix)(://|:/)([a-z0-9./:-]+)`)

// runExample starts a gateway on a file in examples/gateway, in whose backends each peer is replaced by a server of the
// test with the same scheme. answers returns the handler of the peer with that host and port, or path.
func runExample(t *testing.T, name string, answers func(peer string) app.Handler) (url string, g *gateway.Gateway) {
	t.Helper()
	directory := filepath.Join("..", "..", "examples", "gateway")
	text, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	routes, rest, _ := strings.Cut(string(text), "\nbackends:")
	backends, tests := rest, ""
	if i := strings.Index(rest, "\ntests:"); i >= 0 {
		backends, tests = rest[:i], rest[i:]
	}
	backends = peerURL.ReplaceAllStringFunc(backends, func(url string) string {
		m := peerURL.FindStringSubmatch(url)
		listener := reactor.ListenerConfig{Address: "127.0.0.1:0"}
		switch m[1] {
		case "https", "h2":
			listener.TLS = store.Config()
		case "h2c+unix":
			listener = reactor.ListenerConfig{Network: "unix", Address: filepath.Join(t.TempDir(), "socket")}
		}
		address, _ := serveOn(t, answers(m[3]), func(c *server.Config) { c.Listeners = []reactor.ListenerConfig{listener} })
		if m[1] == "h2c+unix" {
			return m[1] + ":" + listener.Address
		}
		return m[1] + m[2] + address
	})
	f, err := file.Parse(name, []byte(routes+"\nbackends:"+backends+tests))
	if err != nil {
		t.Fatal(err)
	}
	g, err = gateway.Open(f.Config, gateway.Options{}, gateway.Parts{
		Directory: directory, BuiltIn: says("built-in"),
		Certificates: func(described *config.TLS) (func(string, ...string) func() *tls.Config, error) {
			return func(_ string, protocols ...string) func() *tls.Config {
				c := &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
				if described != nil && described.Min == "1.3" {
					c.MinVersion = tls.VersionTLS13
				}
				return func() *tls.Config { return c }
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve, startsWith(g), func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	return "http://" + address, g
}

func TestSmallestExample(t *testing.T) {
	url, _ := runExample(t, "smallest.yaml", says)
	if resp, content := ask(t, clientOf(t, true), "GET", url+"/x", "", "Host", "h"); resp.StatusCode != 200 || content != "built-in GET /x h\n" {
		t.Errorf("status %d, %q", resp.StatusCode, content)
	}
}

// A twentieth of the requests go to the next version, and all those that ask for it.
func TestCanaryExample(t *testing.T) {
	url, _ := runExample(t, "canary.yaml", says)
	c := clientOf(t, true)
	server := func(method, path string, fields ...string) string {
		t.Helper()
		resp, _ := ask(t, c, method, url+path, "", append(fields, "Host", "shop.example.com")...)
		if resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		return resp.Header.Get("X-Server")
	}
	const next = "10.0.1.1:8080"
	for range 50 {
		if got := server("GET", "/", "X-Canary", "1"); got != next {
			t.Fatalf("a tester was answered by %s", got)
		}
		if got := server("GET", "/", "Cookie", "canary=always"); got != next {
			t.Fatalf("a tester with a cookie was answered by %s", got)
		}
		if got := server("POST", "/orders", "X-Canary", "1"); got == next {
			t.Fatal("an order went to the next version")
		}
	}
	seen := map[string]int{}
	const asked = 2000
	for range asked {
		seen[server("GET", "/")]++
	}
	// Of 2000 requests 100 are expected, with a deviation of 10.
	if seen[next] < 50 || seen[next] > 150 {
		t.Errorf("%d of %d requests went to the next version", seen[next], asked)
	}
	for _, peer := range []string{"10.0.0.1:8080", "10.0.0.2:8080"} {
		if seen[peer] < asked/3 {
			t.Errorf("%s got %d of %d requests", peer, seen[peer], asked)
		}
	}
}

// A client with the cookie of its first response returns to its peer; WebSockets go through.
func TestWebSocketExample(t *testing.T) {
	url, _ := runExample(t, "websocket.yaml", func(peer string) app.Handler {
		return func(r *app.Request) app.Future[*app.Response] {
			if !r.IsWebSocket() {
				return says(peer)(r)
			}
			return app.Map(sockets(r), func(resp *app.Response) (*app.Response, error) { return resp.With("X-Server", peer), nil })
		}
	})
	address := strings.TrimPrefix(url, "http://")
	if resp, _ := ask(t, clientOf(t, false), "GET", url+"/index.html", "", "Host", "chat.example.com"); resp.Header.Get("X-Server") != "10.0.0.9:8080" {
		t.Errorf("a page comes from %s", resp.Header.Get("X-Server"))
	}
	first := map[string]bool{}
	for i := range 12 {
		w := openTunnelOf(t, address, "chat.example.com", "/ws/room")
		peer := w.fields.Get("X-Server")
		cookie, _, _ := strings.Cut(w.fields.Get("Set-Cookie"), ";")
		if w.status != 101 || peer == "" || cookie == "" {
			t.Fatalf("status %d, fields %v", w.status, w.fields)
		}
		first[peer] = true
		for range 5 {
			again := openTunnelOf(t, address, "chat.example.com", "/ws/room", "Cookie", cookie)
			if got := again.fields.Get("X-Server"); got != peer {
				t.Errorf("client %d came to %s, and then to %s", i, peer, got)
			}
		}
	}
	if len(first) < 2 {
		t.Errorf("all clients came to the same peer: %v", first)
	}
}

// openTunnelOf is openTunnel over HTTP/1.1 with a host.
func openTunnelOf(t *testing.T, address, host, path string, fields ...string) *tunnelClient {
	t.Helper()
	return openTunnel(t, address, "http://"+host+path, false, fields...)
}

func TestRealisticExample(t *testing.T) {
	url, g := runExample(t, "realistic.yaml", func(peer string) app.Handler {
		if peer != "10.0.5.1:8080" {
			return says(peer)
		}
		return func(r *app.Request) app.Future[*app.Response] {
			if r.Fields.Get("Cookie") != "session=7" {
				return app.Ready(app.Error(401, "who is it?"))
			}
			return app.Ready(app.Empty(204).With("X-User", "alice"))
		}
	})
	api, apps := []string{"10.0.2.1:8080", "10.0.2.2:8080", "10.0.2.3:8080"}, []string{"10.0.4.1:8080", "10.0.4.2:8080"}
	for _, http2 := range []bool{false, true} {
		c := clientOf(t, http2)
		for _, s := range []struct {
			request string
			fields  []string
			status  int
			peers   []string // one of which answers, if not empty
			says    string
		}{
			{"GET api.example.com/v2/users", []string{"X-Internal-User", "root"}, 200, api, "GET /v2/users api.example.com\nX-Gateway: edge\n"},
			{"GET api.example.com/v1/users?a=b", nil, 200, api, "GET /v2/users?a=b api.example.com\n"},
			{"PUT api.example.com/v2/files/x", nil, 200, []string{"10.0.3.1:9000", "10.0.3.2:9000"}, "PUT /v2/files/x"},
			{"GET admin.example.com/", []string{"X-Forwarded-For", "203.0.113.9"}, 403, nil, "for the office"},
			{"GET admin.example.com/", []string{"X-Forwarded-For", "10.20.3.4"}, 401, nil, ""},
			{"GET admin.example.com/", []string{"X-Forwarded-For", "10.20.3.4", "Authorization", password("alice", "wrong")}, 401, nil, ""},
			{"GET admin.example.com/", []string{"X-Forwarded-For", "10.20.3.4", "Authorization", password("alice", "change me")}, 200, []string{"admin.internal"}, ""},
			{"GET a.b.apps.example.com/", nil, 200, apps, "X-Front: apps\n"},
			{"GET www.example.com/", nil, 200, []string{"run/pages.sock", "/run/pages.sock"}, ""},
			{"GET www.example.com/account/", nil, 401, nil, "who is it?"},
			{"GET www.example.com/account/", []string{"Cookie", "session=7", "X-User", "root"}, 200, nil, "X-User: alice\n"},
			{"GET example.com/about", nil, 308, nil, ""},
			{"GET www.example.com/a/../b", nil, 400, nil, ""},
			{"GET h/healthz", nil, 200, nil, "ok\n"},
			{"GET h/", nil, 404, nil, ""},
		} {
			method, target, _ := strings.Cut(s.request, " ")
			host, path, _ := strings.Cut(target, "/")
			resp, content := ask(t, c, method, url+"/"+path, "", append(s.fields, "Host", host)...)
			peer, _, _ := strings.Cut(content, " ")
			if resp.StatusCode != s.status || !strings.Contains(content, s.says) || len(s.peers) > 0 && !slices.Contains(s.peers, peer) {
				t.Errorf("HTTP/2 %v: %s %q: status %d, %q", http2, s.request, s.fields, resp.StatusCode, content)
			}
			if strings.Contains(content, "root") || strings.Contains(content, "X-Internal-User") {
				t.Errorf("%s %q: the peer saw %q", s.request, s.fields, content)
			}
		}
	}
	// The limit of a key holds; that of another one is its own.
	limited := map[string]int{}
	c := clientOf(t, true)
	for i := range 200 {
		resp, _ := ask(t, c, "GET", url+"/v2/limited", "", "Host", "api.example.com", "X-Api-Key", "busy")
		limited[fmt.Sprint(resp.StatusCode)]++
		if i == 199 {
			if resp, _ := ask(t, c, "GET", url+"/v2/limited", "", "Host", "api.example.com", "X-Api-Key", "quiet"); resp.StatusCode != 200 {
				t.Errorf("another key: status %d", resp.StatusCode)
			}
		}
	}
	if limited["200"] < 100 || limited["200"]+limited["429"] != 200 {
		t.Errorf("of 200 requests at once: %v", limited)
	}
	if m := g.Counts().Mirrors; m.Sent > 60 {
		t.Errorf("of some 150 requests %d were copied, not a twentieth", m.Sent)
	}
}
