//go:build linux

package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// largeServer makes this test's program a server of large content, so that its memory is not counted. It writes its address.
const largeServer = "LARGE_SERVER"

// serveLarge serves 64 MiB at /large, and a short text elsewhere, over HTTP/1.1 and HTTP/2, until stdin ends.
func serveLarge() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	part := make([]byte, 64<<10)
	s := &http.Server{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 2000}}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/large" {
			_, _ = io.WriteString(w, "fine")
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(64<<20))
		for range 64 << 20 / len(part) {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	})
	go func() { _ = s.Serve(l) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startLarge starts the server of large content in a process of its own.
func startLarge(t *testing.T) (address string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), largeServer+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = c.Wait()
	})
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// inUse returns the bytes of the heap and of stacks in use after a collection. The resident memory of a test would count
// that of the race detector as well, which is several times as much.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// stoppedReaders is the number of clients that stop reading: 100, or what the environment variable STOPPED_READERS says.
func stoppedReaders() int {
	if n, err := strconv.Atoi(os.Getenv("STOPPED_READERS")); err == nil {
		return n
	}
	return 100
}

// The memory for clients that have stopped reading is bounded, and they do no harm to others. docs/gateway.md has the bounds.
func TestClientsThatStopReading(t *testing.T) {
	address := startLarge(t)
	for _, in := range []transport{h1, h2c} {
		for _, out := range []string{"http", "h2c"} {
			t.Run(string(in)+"-"+out, func(t *testing.T) {
				b, err := gateway.NewBackend(client.OriginOptions{HTTP1Connections: 4096}, out+"://"+address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(b.Close)
				g := gateway.New(b, gateway.Options{})
				srv, err := server.New(server.Config{Handler: g.Serve, Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}}, Loops: 1, Logger: zap.NewNop()})
				if err != nil {
					t.Fatal(err)
				}
				if err := srv.Start(context.Background()); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					_ = srv.Shutdown(ctx)
				})
				s := &site{T: t, in: in, gateway: g, server: srv}
				before, p99 := inUse(), s.latency()
				n := stoppedReaders()
				for range n {
					s.stopReading()
				}
				s.eventually(func() string {
					if a := g.Counts().Backend.Active; a < int64(n) {
						return fmt.Sprintf("%d requests are under way", a)
					}
					return ""
				})
				slow := s.latency() // meanwhile what can be read was read
				each := (inUse() - before) / n
				t.Logf("%d clients: %d KiB each; p99 of others %v, before %v", n, each>>10, slow, p99)
				// Windows may have grown, up to 128 MiB in all, before the clients stopped.
				if most := 320<<10 + 128<<20/n; each > most {
					t.Errorf("%d KiB for each client, want at most %d", each>>10, most>>10)
				}
				if slow > 10*p99+100*time.Millisecond {
					t.Errorf("p99 of others %v, before %v", slow, p99)
				}
			})
		}
	}
}

// stopReading sends a request for large content, and reads no more than the head.
func (s *site) stopReading() {
	s.Helper()
	if !s.in.isHTTP2() {
		c := s.dialLine()
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
		_ = c.SetDeadline(time.Now().Add(10 * time.Minute))
		c.r = bufio.NewReaderSize(c.Conn, 16)
		if h, _ := c.ask(get("/large")).readHead(); h.status != "200" {
			s.Fatalf("status %q", h.status)
		}
		return
	}
	l := s.dialLink()
	_ = l.conn.SetDeadline(time.Now().Add(10 * time.Minute))
	l.write(func(*http2.Framer) { l.stingy = true })
	if m := l.ask(get("/large")).head(); m.status != "200" {
		s.Fatalf("the client has got %v", m)
	}
}

// latency returns the 99th percentile of the time of short requests.
func (s *site) latency() time.Duration {
	s.Helper()
	conn := s.dial()
	var all []time.Duration
	for range 500 {
		begin := time.Now()
		s.wants(conn.ask(get("/")).answer(), "200", "fine")
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
