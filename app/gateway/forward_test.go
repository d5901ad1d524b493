//go:build linux

package gateway_test

import (
	"bytes"
	"context"
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
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

// serveOn starts a server with that handler and returns its address.
func serveOn(t testing.TB, h app.Handler, change ...func(*server.Config)) (address string, s *server.Server) {
	t.Helper()
	config := server.Config{Handler: h, Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}}, Loops: 1, Logger: zap.NewNop()}
	for _, c := range change {
		c(&config)
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	return s.Addrs()[0].String(), s
}

// forward starts a gateway to these backends and returns its address.
func forward(t testing.TB, o gateway.Options, urls ...string) (address string, g *gateway.Gateway) {
	t.Helper()
	g = gateway.New(backendOf(t, urls...), o)
	// Clients that leave with FIN alone are not waited for as long as by default.
	address, _ = serveOn(t, g.Serve, func(c *server.Config) { c.HalfClosedTimeout = 100 * time.Millisecond })
	return address, g
}

// backendOf returns a backend with these peers.
func backendOf(t testing.TB, urls ...string) *gateway.Backend {
	t.Helper()
	b, err := gateway.NewBackend(client.OriginOptions{}, urls...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// clientOf returns a client of net/http over HTTP/1.1, or HTTP/2 with prior knowledge.
func clientOf(t testing.TB, http2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &p, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// pairs calls test for the four pairs of HTTP/1.1 and HTTP/2 between client, gateway and backend.
func pairs(t *testing.T, h app.Handler, o gateway.Options, test func(t *testing.T, c *http.Client, url string, g *gateway.Gateway)) {
	for _, in := range []bool{false, true} {
		for _, out := range []string{"http", "h2c"} {
			t.Run(fmt.Sprintf("%s-%s", map[bool]string{false: "h1", true: "h2"}[in], out), func(t *testing.T) {
				backend, _ := serveOn(t, h)
				address, g := forward(t, o, out+"://"+backend)
				test(t, clientOf(t, in), "http://"+address, g)
			})
		}
	}
}

func echo(r *app.Request) app.Future[*app.Response] {
	return app.Map(r.Body.ReadAll(1<<30), func(b []byte) (*app.Response, error) {
		resp := app.Blob(200, "text/plain", b)
		resp.Fields.Add("X-Seen", fmt.Sprint(r.Method, " ", r.Target, " ", r.Authority, " ", r.Protocol, " ", r.ContentLength))
		for _, f := range r.Fields {
			resp.Fields.Add("X-Field", f.Name+": "+f.Value)
		}
		return resp, nil
	})
}

func TestForwards(t *testing.T) {
	pairs(t, echo, gateway.Options{Via: "gw"}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		for range 3 {
			resp, err := c.Get(url + "/a%2Fb?c=d")
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || len(b) != 0 {
				t.Fatalf("%v %v %q", resp, err, b)
			}
			if seen := resp.Header.Get("X-Seen"); !strings.HasPrefix(seen, "GET /a%2Fb?c=d "+strings.TrimPrefix(url, "http://")) {
				t.Errorf("the backend saw %q", seen)
			}
			if via := resp.Header.Get("Via"); !strings.HasSuffix(via, " gw") {
				t.Errorf("Via: %q", via)
			}
			fields := strings.Join(resp.Header.Values("X-Field"), "\n")
			if !strings.Contains(strings.ToLower(fields), "x-forwarded-for: 127.0.0.1") {
				t.Errorf("the backend saw:\n%s", fields)
			}
		}
		for _, size := range []int{1, 1000, 100_000, 5 << 20} {
			content := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
			for _, known := range []bool{true, false} {
				var body io.Reader = bytes.NewReader(content)
				if !known {
					body = io.MultiReader(body)
				}
				resp, err := c.Post(url+"/up", "text/plain", body)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.Equal(b, content) {
					t.Fatalf("%d bytes (known: %v): %d came back, %v", size, known, len(b), err)
				}
			}
		}
		if n := g.Counts(); n.Exchanges[gateway.OK] < 11 || n.Backend.Reused == 0 {
			t.Errorf("counts: %+v", n)
		}
	})
}

// A backend that cannot be reached is a 502; one that gives no answer in time a 504.
func TestBackendsThatDoNotAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address, g := forward(t, gateway.Options{Timeout: 50 * time.Millisecond, ProxyStatus: true, Via: "gw"}, "http://"+l.Addr().String())
	resp, err := clientOf(t, false).Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 504 || resp.Header.Get("Proxy-Status") != `gw; error=http_response_timeout; details="head-timeout"` {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if n := g.Counts(); n.Exchanges[gateway.HeadTimeout] != 1 {
		t.Errorf("%+v", n)
	}
}
