//go:build linux && !race

package gateway_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// maxTunnelMemory is the memory in bytes that an idle tunnel may hold, of both sides; see docs/gateway.md.
var maxTunnelMemory = map[string]int{"h1-h1": 4200, "h1-h2c": 3300, "h2c-h1": 3900, "h2c-h2c": 2900}

// TestMemoryOfIdleTunnels measures tunnels through the gateway in the heap, less what the client and the backend, which
// are in this process too, hold without it. GATEWHEEL_TUNNELS sets their number.
func TestMemoryOfIdleTunnels(t *testing.T) {
	n := 1000
	if text := os.Getenv("GATEWHEEL_TUNNELS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	backend, _ := serveOn(t, sockets)
	hold := map[bool]func(t *testing.T, address string, n int) (close func()){false: holdTunnels1, true: holdTunnels2}
	names := map[bool]string{false: "h1", true: "h2c"}
	schemes := map[bool]string{false: "http://", true: "h2c://"}
	// ofEnds is what the tunnels hold without a gateway, by protocol.
	ofEnds := map[bool]int{}
	for _, overHTTP2 := range []bool{false, true} {
		hold[overHTTP2](t, backend, 10)() // what the first tunnels allocate for all
		ofEnds[overHTTP2] = heapOf(t, n, func() (close func()) { return hold[overHTTP2](t, backend, n) })
	}
	for _, in := range []bool{false, true} {
		for _, out := range []bool{false, true} {
			pair := names[in] + "-" + names[out]
			t.Run(pair, func(t *testing.T) {
				address, g := forward(t, gateway.Options{}, schemes[out]+backend)
				hold[in](t, address, 10)()
				eventually(t, "they end", func() bool { return g.Counts().Tunnels == 0 })
				// Under load the loop's buffers may grow meanwhile.
				for try := 0; ; try++ {
					held := heapOf(t, n, func() (close func()) {
						close = hold[in](t, address, n)
						if open := g.Counts().Tunnels; open != int64(n) {
							t.Fatalf("%d tunnels are open", open)
						}
						return close
					}) - ofEnds[out]
					eventually(t, "the tunnels end", func() bool { return g.Counts().Tunnels == 0 })
					if held <= maxTunnelMemory[pair] {
						break
					}
					if try == 4 {
						t.Fatalf("an idle tunnel holds %d bytes, want %d at most", held, maxTunnelMemory[pair])
					}
				}
			})
		}
	}
}

// heapOf returns the memory in bytes that each of n holds while open's result is not called.
func heapOf(t *testing.T, n int, open func() (close func())) int {
	before := heap()
	close := open()
	held := (heap() - before) / n
	close()
	return held
}

func heap() int {
	var m runtime.MemStats
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// holdTunnels1 opens n tunnels over HTTP/1.1. The sockets hold no memory of this process.
func holdTunnels1(t *testing.T, address string, n int) (close func()) {
	t.Helper()
	to := netip.MustParseAddrPort(address)
	fds, buf := make([]int, n), make([]byte, 4<<10)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
			t.Fatal(err)
		}
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)})
		io.WriteString(fdWriter(fd), "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n")
		if n, err := unix.Read(fd, buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 101 ")) {
			t.Fatalf("tunnel %d: %q, %v", i, buf[:max(n, 0)], err)
		}
	}
	return func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
}

type fdWriter int

func (fd fdWriter) Write(p []byte) (int, error) { return unix.Write(int(fd), p) }

// holdTunnels2 opens n tunnels over HTTP/2, 100 of a connection.
func holdTunnels2(t *testing.T, address string, n int) (close func()) {
	t.Helper()
	var conns []net.Conn
	for ; n > 0; n -= 100 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		_ = conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, http2.ClientPreface)
		framer := http2.NewFramer(conn, conn)
		_ = framer.WriteSettings()
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		streams := min(n, 100)
		for i := range streams {
			block.Reset()
			for _, f := range []hpack.HeaderField{
				{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "websocket"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"},
				{Name: ":authority", Value: "example.com"}, {Name: "sec-websocket-version", Value: "13"}, {Name: "origin", Value: "http://example.com"},
				{Name: "user-agent", Value: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}, {Name: "cookie", Value: "session=0123456789abcdef0123456789abcdef"},
			} {
				_ = e.WriteField(f)
			}
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndHeaders: true})
		}
		for opened := 0; opened < streams; {
			f, err := framer.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *http2.HeadersFrame:
				if f.StreamEnded() {
					t.Fatalf("stream %d was refused", f.StreamID)
				}
				opened++
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				t.Fatal(f)
			}
		}
	}
	return func() {
		for _, c := range conns {
			c.Close()
		}
	}
}
