//go:build linux

package server_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	upstream "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// recorder is a server over HTTP/1.1 that keeps the bytes of its requests and answers each head.
type recorder struct {
	net.Listener
	mu   sync.Mutex
	seen strings.Builder
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	var p [4096]byte
	for answered := 0; ; {
		n, err := c.Read(p[:])
		if err != nil {
			return
		}
		r.mu.Lock()
		r.seen.Write(p[:n])
		r.mu.Unlock()
		for range strings.Count(string(p[:n]), "GET /first ") {
			answered++
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!")
		}
	}
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.String()
}

// TestMalformedRequestsThroughAGateway: a server behind a gateway sees the request before a malformed one, and nothing of what
// follows. Content that turns out malformed never looks complete to it.
func TestMalformedRequestsThroughAGateway(t *testing.T) {
	for _, m := range malformed {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			behind := newRecorder(t)
			b, err := gateway.NewBackend(upstream.OriginOptions{}, "http://"+behind.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			l := serve(t, gateway.To(b, gateway.Options{})).dial()
			sent := l.flood(get("/first")+m.request+get("/smuggled"), false)
			l.hear("GET", 200, "Hello, World!")
			if response := l.head("POST", m.status); response.Header.Get("Content-Length") == "" {
				t.Errorf("%v", response.Header)
			} else if _, err := io.ReadAll(response.Body); err != nil {
				t.Error(err)
			}
			l.end()
			l.close()
			<-sent
			seen := behind.text()
			if !strings.Contains(seen, "GET /first HTTP/1.1\r\n") || strings.Contains(seen, "smuggled") || strings.Contains(seen, "\r\n0\r\n\r\n") ||
				strings.Count(seen, " HTTP/1.") > 1+strings.Count(m.name, "chunk") {
				t.Errorf("the server has seen %q", seen)
			}
		})
	}
}
