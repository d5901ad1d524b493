//go:build linux

package nethttp_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// handlers are those of the benchmarks.
var handlers = map[string]struct {
	request string
	handler http.HandlerFunc
}{
	"hello": {"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	}},
	"upload": {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 64<<10), func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "Hello, World!")
	}},
	"download": {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "1048576")
		io.WriteString(w, megabyte)
	}},
}

var megabyte = strings.Repeat("x", 1<<20)

// BenchmarkHandlers has the allocations of a request over HTTP/1.1, the client's not counted: it makes none.
func BenchmarkHandlers(b *testing.B) {
	for name, h := range handlers {
		b.Run("ours/"+name, func(b *testing.B) {
			ask(b, nethttptest.Start(b, nethttptest.H1, &http.Server{Handler: h.handler}).Addr, h.request)
		})
		b.Run("net-http/"+name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			s := &http.Server{Handler: h.handler}
			go s.Serve(l)
			defer s.Close()
			ask(b, l.Addr().String(), h.request)
		})
	}
}

// ask sends the request b.N times, each after the response to the one before, which has the same length every time.
func ask(b *testing.B, addr, request string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	text := []byte(request)
	buf := make([]byte, 256<<10)
	length := func(need int) (n int) {
		c.Write(text)
		for {
			m, err := c.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			if n += m; need > 0 && n >= need || need == 0 && complete(buf[:m], n) {
				return n
			}
		}
	}
	need := length(0)
	b.ReportAllocs()
	for b.Loop() {
		length(need)
	}
}

// complete reports whether n bytes of which p are the last are a whole response.
func complete(p []byte, n int) bool {
	return bytes.HasSuffix(p, []byte("World!")) || n > 1<<20 && bytes.HasSuffix(p, []byte("xx")) && n-1<<20 > 100
}
