//go:build linux && !race

package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// canned is a backend over HTTP/1.1 that allocates nothing for a request.
func canned(t testing.TB, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, out, end := make([]byte, 64<<10), []byte(answer), []byte("\r\n\r\n")
				for have := 0; ; {
					n, err := c.Read(buf[have:])
					if err != nil {
						return
					}
					if have += n; bytes.HasSuffix(buf[:have], end) {
						have = 0
						if _, err := c.Write(out); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// allocationsOf returns the number of allocations for each of n requests on one connection.
func allocationsOf(t *testing.T, address, request string, answer int) float64 {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	out, in := []byte(request), make([]byte, answer)
	round := func() {
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, in); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		round()
	}
	const n = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		round()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / n
}

// sizeOf returns the size of the answer to a request.
func sizeOf(t *testing.T, address, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return len(b) - len("Connection: close\r\n")
}

// A proxied request costs at most two allocations more than one that is served.
func TestAllocationsOfAForwardedRequest(t *testing.T) {
	const request = "GET /users/7 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n"
	static := app.Text(200, "Hello, World!")
	served, _ := serveOn(t, func(*app.Request) app.Answer { return app.Ready(static) })
	base := allocationsOf(t, served, request, sizeOf(t, served, request))
	for name, answer := range map[string]string{
		"with content":    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Length: 13\r\n\r\nHello, World!",
		"without content": "HTTP/1.1 204 No Content\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\n\r\n",
	} {
		address, _ := forward(t, gateway.Options{}, "http://"+canned(t, answer))
		got := allocationsOf(t, address, request, sizeOf(t, address, request))
		t.Logf("%s: %.2f allocations, served %.2f", name, got, base)
		// Now and then the runtime allocates for itself.
		if got > base+2.2 {
			t.Errorf("%s: %.2f allocations a request, %.2f when it is served: want at most 2 more", name, got, base)
		}
	}
}

// A file of 10,000 routes, whose backend has health checks and ejection, costs no allocation more than one backend alone.
func TestAllocationsAmongManyRoutes(t *testing.T) {
	const request = "GET /service-7777/users/7 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n"
	backend := "http://" + canned(t, "HTTP/1.1 200 OK\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\nok")
	alone, _ := forward(t, gateway.Options{}, backend)
	base := allocationsOf(t, alone, request, sizeOf(t, alone, request))
	var text strings.Builder
	text.WriteString("routes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "  '/service-%d/{rest...}': a\n", i)
	}
	fmt.Fprintf(&text, "backends: {a: {peers: %q, health: {request: GET /healthz, every: 10s}, eject: {failures: 5}}}\n", backend)
	url, _ := open(t, text.String(), nil)
	address := strings.TrimPrefix(url, "http://")
	if got := allocationsOf(t, address, request, sizeOf(t, address, request)); got > base+0.2 {
		t.Errorf("%.2f allocations a request, %.2f with one backend and no routes", got, base)
	}
}

// Permission that is known costs no allocation.
func TestAllocationsOfPermissions(t *testing.T) {
	const request = "GET /users/7 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nUser-Agent: test\r\nAuthorization: %s\r\n\r\n"
	text := fmt.Sprintf(request, password("alice", "secret"))
	answer := "HTTP/1.1 204 No Content\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\n\r\n"
	backend := "http://" + canned(t, answer)
	cost := func(c string) float64 {
		url, _ := open(t, "routes: {/: {to: a"+c+"}}\nbackends: {a: \""+backend+"\"}\n", nil)
		address := strings.TrimPrefix(url, "http://")
		return allocationsOf(t, address, text, sizeOf(t, address, text))
	}
	base := cost("")
	for _, c := range []string{
		", limit: {rate: 1000000/s}", ", limit: {rate: 1000000/s, key: \"header:User-Agent\"}", ", concurrency: 10", ", auth: {basic: " + htpasswd(t) + "}",
	} {
		if got := cost(c); got > base+0.2 {
			t.Errorf("%s: %.2f allocations, %.2f without", c, got, base)
		}
	}
}

// BenchmarkForward forwards small requests of 50 connections over HTTP/1.1.
func BenchmarkForward(b *testing.B) {
	const request = "GET /users/7 HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n"
	address, _ := forward(b, gateway.Options{}, "http://"+canned(b, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Length: 13\r\n\r\nHello, World!"))
	b.ReportAllocs()
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		out, in := []byte(request), make([]byte, 4096)
		for pb.Next() {
			if _, err := c.Write(out); err != nil {
				b.Error(err)
				return
			}
			for have := 0; !bytes.HasSuffix(in[:have], []byte("Hello, World!")); {
				n, err := c.Read(in[have:])
				if err != nil {
					b.Error(err)
					return
				}
				have += n
			}
		}
	})
}
