//go:build linux

package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
)

// Requests under way are answered while the gateway drains, and tunnels end with its grace.
func TestDrain(t *testing.T) {
	for _, out := range []string{"http", "h2c"} {
		for _, in := range []bool{false, true} {
			t.Run(fmt.Sprint(out, in), func(t *testing.T) {
				arrived, release := make(chan struct{}), make(chan struct{})
				backend, _ := serveOn(t, func(r *app.Request) app.Answer {
					if r.IsWebSocket() {
						return sockets(r)
					}
					return app.Offload(r, func(context.Context) (*app.Response, error) {
						close(arrived)
						<-release
						return app.Text(200, strings.Repeat("late ", 1000)), nil
					})
				})
				g := gateway.New(backendOf(t, out+"://"+backend), gateway.Options{})
				address, s := serveOn(t, g.Serve)
				tunnel := openTunnel(t, address, "/", in)
				answered := make(chan string, 1)
				go func() {
					resp, err := clientOf(t, in).Get("http://" + address)
					if err != nil {
						answered <- err.Error()
						return
					}
					b, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					answered <- fmt.Sprint(resp.StatusCode, " ", len(b), " ", err)
				}()
				<-arrived
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stopped := make(chan error, 1)
				go func() { stopped <- s.Shutdown(ctx) }()
				eventually(t, "the gateway drains", s.Draining)
				close(release)
				if got := <-answered; got != "200 5000 <nil>" {
					t.Errorf("a request under way: %s", got)
				}
				tunnel.Write(wsFrame(1, "still"))
				if _, got := readFrame(t, tunnel); got != "still" {
					t.Errorf("the tunnel says %q", got)
				}
				cancel()
				if err := <-stopped; err == nil {
					t.Error("the tunnel was not cut")
				}
				if n := g.Counts(); n.Exchanges[gateway.Drained] != 1 || n.Exchanges[gateway.OK] != 1 || n.Tunnels != 0 {
					t.Errorf("counted %v, %d tunnels are open", n.Exchanges, n.Tunnels)
				}
			})
		}
	}
}

// Middleware that blocks its loop costs its own exchange on both sides, and no other.
func TestStalls(t *testing.T) {
	var ended atomic.Int32
	backend, _ := serveOn(t, func(r *app.Request) app.Answer {
		context.AfterFunc(r.Context(), func() { ended.Add(1) })
		return app.After(app.Sleep(r, 300*time.Millisecond), func(app.Done, error) app.Answer {
			return app.Ready(app.Text(200, r.RawPath))
		})
	})
	pairs := []struct {
		in  bool
		out string
	}{{false, "http"}, {false, "h2c"}, {true, "http"}, {true, "h2c"}}
	for _, pair := range pairs {
		in, out := pair.in, pair.out
		t.Run(fmt.Sprint(out, in), func(t *testing.T) {
			g := gateway.New(backendOf(t, out+"://"+backend), gateway.Options{})
			release := make(chan struct{})
			defer close(release)
			handler := func(r *app.Request) app.Answer {
				f := g.Serve(r)
				if r.RawPath != "/stall" {
					return f
				}
				return app.Then(f, func(resp *app.Response) app.Answer {
					<-release // the loop is blocked by the answer's middleware
					return app.Ready(resp)
				})
			}
			address, _ := serveOn(t, handler, func(c *server.Config) {
				c.Stall.Warn, c.Stall.Timeout, c.Stall.Restarts = -1, 200*time.Millisecond, 1000
			})
			var others []chan string
			ask := func(path string) chan string {
				got := make(chan string, 1)
				go func() {
					resp, err := clientOf(t, in).Get("http://" + address + path)
					if err != nil {
						got <- "broken off"
						return
					}
					b, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					got <- fmt.Sprint(resp.StatusCode, " ", string(b))
				}()
				return got
			}
			stalled := ask("/stall")
			for i := range 8 {
				others = append(others, ask(fmt.Sprint("/", i)))
			}
			if got := <-stalled; got != "broken off" {
				t.Errorf("the one that blocks: %s", got)
			}
			for i, c := range others {
				if got, want := <-c, fmt.Sprint("200 /", i); got != want {
					t.Errorf("another one: %s, want %s", got, want)
				}
			}
			if got := <-ask("/after"); got != "200 /after" {
				t.Errorf("a later one: %s", got)
			}
			eventually(t, "all exchanges have ended", func() bool {
				n := g.Counts()
				return n.Exchanges[gateway.OK] == 9 && n.Exchanges[gateway.Stalled] == 1 && n.Backend.Active == 0
			})
		})
	}
}

// A client that does not read stalls nobody else on the backend's connection.
func TestSlowReadersHarmNobody(t *testing.T) {
	backend, _ := serveOn(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/large" {
			return app.Ready(app.Pulled(200, "text/plain", 64<<20, func(p []byte) (int, error) { return len(p), nil }))
		}
		return app.Ready(app.Text(200, "small"))
	})
	address, g := forward(t, gateway.Options{}, "h2c://"+backend)
	for range 20 {
		resp, err := clientOf(t, false).Get("http://" + address + "/large")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() // and nobody reads it
	}
	c := clientOf(t, true)
	for range 200 {
		resp, err := c.Get("http://" + address + "/small")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "small" || err != nil {
			t.Fatalf("%q %v", b, err)
		}
	}
	if n := g.Counts().Backend.Connections; n > 2 {
		t.Errorf("%d connections to the backend, want at most 2", n)
	}
}

// A response that falls silent ends, and does not look complete.
func TestSilentResponsesEnd(t *testing.T) {
	silent := func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteAll([]byte("begun")), func(app.Done) app.Future[app.Done] { return app.Sleep(r, time.Hour) })
		}))
	}
	pairs(t, silent, gateway.Options{Idle: 50 * time.Millisecond}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "begun" || err == nil {
			t.Errorf("%q, %v", b, err)
		}
		eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[gateway.IdleTimeout] == 1 })
	})
}

// A client of gRPC reads errors from a head that ends the stream; its deadline is that of the exchange.
func TestGRPCErrors(t *testing.T) {
	hangs, _ := serveOn(t, func(r *app.Request) app.Answer {
		return app.After(app.Sleep(r, time.Hour), func(app.Done, error) app.Answer { return app.Ready(app.Empty(204)) })
	})
	for url, reason := range map[string]gateway.Reason{"h2c://" + hangs: gateway.HeadTimeout, "h2c://127.0.0.1:1": gateway.ConnectFail} {
		status := "14" // UNAVAILABLE
		if reason == gateway.HeadTimeout {
			status = "4" // DEADLINE_EXCEEDED
		}
		address, g := forward(t, gateway.Options{}, url)
		request, _ := http.NewRequest("POST", "http://"+address+"/pkg.Service/Method", strings.NewReader("\x00\x00\x00\x00\x00"))
		request.Header.Set("Content-Type", "application/grpc+proto")
		request.Header.Set("TE", "trailers")
		request.Header.Set("grpc-timeout", "50m")
		resp, err := clientOf(t, true).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("Grpc-Status") != status || len(b) > 0 || err != nil {
			t.Errorf("%s: %d %v %q %v", url, resp.StatusCode, resp.Header, b, err)
		}
		eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[reason] == 1 })
	}
}

// Requests are spread over peers, and a peer that is gone costs none.
func TestPeers(t *testing.T) {
	var got [3]atomic.Int32
	var urls []string
	var servers []*server.Server
	for i := range got {
		address, s := serveOn(t, func(r *app.Request) app.Answer {
			got[i].Add(1)
			return app.Ready(app.Text(200, "hello"))
		})
		urls, servers = append(urls, "http://"+address), append(servers, s)
	}
	address, g := forward(t, gateway.Options{}, urls...)
	c := clientOf(t, false)
	ask := func() {
		t.Helper()
		for range 90 {
			resp, err := c.Post("http://"+address, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("%s", resp.Status)
			}
		}
	}
	ask()
	for i := range got {
		if n := got[i].Load(); n < 10 {
			t.Errorf("peer %d has got %d requests of 90", i, n)
		}
	}
	_ = servers[0].Shutdown(t.Context())
	ask()
	if n := g.Counts(); n.Exchanges[gateway.OK] != 180 {
		t.Errorf("%+v", n)
	}
}

// TestHalfClosedClients: a client that closes its sending side over HTTP/1.1 gets a response that comes soon; else its
// request ends at the backend.
func TestHalfClosedClients(t *testing.T) {
	for _, out := range []string{"http", "h2c"} {
		t.Run(out, func(t *testing.T) {
			left := make(chan error, 1)
			backend, _ := serveOn(t, func(r *app.Request) app.Answer {
				if r.RawPath == "/soon" {
					return app.Ready(app.Text(200, "here"))
				}
				context.AfterFunc(r.Context(), func() { left <- context.Cause(r.Context()) })
				_, never := app.Promised[*app.Response](r)
				return never
			})
			g := gateway.New(backendOf(t, out+"://"+backend), gateway.Options{})
			address, _ := serveOn(t, g.Serve, func(c *server.Config) { c.HalfClosedTimeout = time.Hour })
			ask := func(path string) string {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
				_ = c.(*net.TCPConn).CloseWrite()
				b, err := io.ReadAll(c)
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				return string(b)
			}
			if got := ask("/soon"); !strings.HasSuffix(got, "\r\n\r\nhere") {
				t.Errorf("a response that comes soon: %q", got)
			}
			if got := ask("/never"); got != "" {
				t.Errorf("a response that does not come: %q", got)
			}
			select {
			case <-left:
			case <-time.After(patience):
				t.Error("the backend's request goes on")
			}
			eventually(t, "it is counted", func() bool {
				n := g.Counts()
				return n.Exchanges[gateway.OK] == 1 && n.Exchanges[gateway.ClientGone] == 1 && n.Backend.Active == 0
			})
		})
	}
}
