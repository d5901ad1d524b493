//go:build linux

package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// tunnelClient is a WebSocket of a client, over HTTP/1.1 or HTTP/2, that reads and writes bytes.
type tunnelClient struct {
	t      testing.TB
	conn   net.Conn
	r      *bufio.Reader
	framer *http2.Framer // nil: HTTP/1.1
	got    []byte        // content of DATA that was not read
	ended  error
	status int
	fields http.Header
}

// openTunnel asks for a WebSocket at path.
func openTunnel(t testing.TB, address, path string, overHTTP2 bool, fields ...string) *tunnelClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &tunnelClient{t: t, conn: conn, r: bufio.NewReader(conn), fields: http.Header{}}
	if overHTTP2 {
		c.open2(path, fields)
	} else {
		c.open1(path, fields)
	}
	return c
}

func (c *tunnelClient) open1(path string, fields []string) {
	c.t.Helper()
	fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", path)
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(c.conn, "%s: %s\r\n", fields[i], fields[i+1])
	}
	io.WriteString(c.conn, "\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.status, c.fields = resp.StatusCode, resp.Header
}

func (c *tunnelClient) open2(path string, fields []string) {
	c.t.Helper()
	io.WriteString(c.conn, http2.ClientPreface)
	c.framer = http2.NewFramer(c.conn, c.r)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	_ = c.framer.WriteWindowUpdate(0, 1<<20)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	all := append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", path, ":authority", "example.com", "sec-websocket-version", "13"}, fields...)
	for i := 0; i < len(all); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: strings.ToLower(all[i]), Value: all[i+1]})
	}
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	for c.status == 0 && c.ended == nil {
		c.frame()
	}
}

// frame handles the next frame.
func (c *tunnelClient) frame() {
	f, err := c.framer.ReadFrame()
	if err != nil {
		c.ended = err
		return
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.framer.WriteSettingsAck()
		}
	case *http2.MetaHeadersFrame:
		fmt.Sscan(f.PseudoValue("status"), &c.status)
		for _, h := range f.RegularFields() {
			c.fields.Add(h.Name, h.Value)
		}
		if f.StreamEnded() {
			c.ended = io.EOF
		}
	case *http2.DataFrame:
		c.got = append(c.got, f.Data()...)
		if n := uint32(len(f.Data())); n > 0 {
			_ = c.framer.WriteWindowUpdate(0, n)
			_ = c.framer.WriteWindowUpdate(1, n)
		}
		if f.StreamEnded() {
			c.ended = io.EOF
		}
	case *http2.RSTStreamFrame:
		c.ended = fmt.Errorf("reset with %v", f.ErrCode)
	case *http2.GoAwayFrame:
	}
}

func (c *tunnelClient) Read(p []byte) (int, error) {
	if c.framer == nil {
		return c.r.Read(p)
	}
	for len(c.got) == 0 && c.ended == nil {
		c.frame()
	}
	if len(c.got) == 0 {
		return 0, c.ended
	}
	n := copy(p, c.got)
	c.got = c.got[n:]
	return n, nil
}

func (c *tunnelClient) Write(p []byte) (int, error) {
	if c.framer == nil {
		return c.conn.Write(p)
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), 16<<10)
		if err := c.framer.WriteData(1, false, rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// closeWrite ends the direction to the server.
func (c *tunnelClient) closeWrite() {
	if c.framer != nil {
		_ = c.framer.WriteData(1, true, nil)
		return
	}
	_ = c.conn.(*net.TCPConn).CloseWrite()
}

// wsFrame is a masked frame of a client.
func wsFrame(opcode byte, payload string) []byte {
	b := []byte{0x80 | opcode}
	switch {
	case len(payload) < 126:
		b = append(b, 0x80|byte(len(payload)))
	case len(payload) < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(payload)))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(len(payload)))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// readFrame reads a frame of a server.
func readFrame(t testing.TB, r io.Reader) (opcode byte, payload string) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatalf("no frame: %v", err)
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		var b [2]byte
		_, _ = io.ReadFull(r, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, _ = io.ReadFull(r, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatalf("half a frame: %v", err)
	}
	return head[0] & 0xf, string(b)
}

var echoSocket = &websocket.Endpoint{
	Protocols: []string{"chat"},
	Origins:   []string{"*"},
	Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return s.Send(m.Kind, m.Data)
	},
}

func sockets(r *app.Request) app.Answer {
	switch r.RawPath {
	case "/no":
		return app.Ready(app.Error(403, "not here"))
	case "/page":
		return app.Ready(app.Text(200, "a page"))
	}
	return app.Ready(websocket.Accept(echoSocket))
}

// tunnels calls test for the four pairs of protocols.
func tunnels(t *testing.T, h app.Handler, o gateway.Options, test func(t *testing.T, open func(path string, fields ...string) *tunnelClient, g *gateway.Gateway)) {
	for _, in := range []bool{false, true} {
		for _, out := range []string{"http", "h2c"} {
			t.Run(fmt.Sprintf("%s-%s", map[bool]string{false: "h1", true: "h2"}[in], out), func(t *testing.T) {
				backend, _ := serveOn(t, h)
				address, g := forward(t, o, out+"://"+backend)
				test(t, func(path string, fields ...string) *tunnelClient { return openTunnel(t, address, path, in, fields...) }, g)
			})
		}
	}
}

func TestWebSocketsThrough(t *testing.T) {
	tunnels(t, sockets, gateway.Options{Via: "gw"}, func(t *testing.T, open func(string, ...string) *tunnelClient, g *gateway.Gateway) {
		c := open("/", "Sec-WebSocket-Protocol", "chat", "Origin", "http://elsewhere.example")
		want := 101
		if c.framer != nil {
			want = 200
		}
		if c.status != want || c.fields.Get("Sec-WebSocket-Protocol") != "chat" {
			t.Fatalf("%d %v", c.status, c.fields)
		}
		if accept := c.fields.Get("Sec-WebSocket-Accept"); c.framer == nil && accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || c.framer != nil && accept != "" {
			t.Errorf("Sec-WebSocket-Accept: %q", accept)
		}
		large := strings.Repeat("0123456789abcdef", 3_000)
		for _, text := range []string{"hello", "", large, "bye"} {
			c.Write(wsFrame(1, text))
			if op, got := readFrame(t, c); op != 1 || got != text {
				t.Fatalf("sent %d bytes, got opcode %d and %d bytes", len(text), op, len(got))
			}
		}
		if n := g.Counts().Tunnels; n != 1 {
			t.Errorf("%d tunnels are open, want 1", n)
		}
		// The closing handshake is that of the two ends.
		c.Write(wsFrame(8, "\x03\xe8"))
		if op, got := readFrame(t, c); op != 8 || got != "\x03\xe8" {
			t.Errorf("opcode %d %q in answer to Close", op, got)
		}
		if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
			t.Errorf("behind Close: %q, %v", b, err)
		}
		c.closeWrite()
		eventually(t, "the tunnel ends", func() bool { n := g.Counts(); return n.Tunnels == 0 && n.Exchanges[gateway.OK] == 1 })
	})
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestRefusedWebSockets(t *testing.T) {
	tunnels(t, sockets, gateway.Options{}, func(t *testing.T, open func(string, ...string) *tunnelClient, g *gateway.Gateway) {
		if c := open("/no"); c.status != 403 {
			t.Errorf("the backend's 403 arrives as %d", c.status)
		}
		// A 2xx over HTTP/2 would open the tunnel: a backend over HTTP/2 has to refuse, as ours does with 400, and
		// what one over HTTP/1.1 says cannot be passed on.
		c := open("/page")
		want := 200
		switch {
		case strings.HasSuffix(t.Name(), "h2c"):
			want = 400
		case c.framer != nil:
			want = 502
		}
		if c.status != want {
			t.Errorf("a page in place of a WebSocket: %d, want %d", c.status, want)
		}
	})
}

// raw is a backend over HTTP/1.1 that accepts a WebSocket and then talks bytes.
func raw(t testing.TB, talk func(c net.Conn, r *bufio.Reader)) (address string) {
	return scripted(t, func(c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		_, rest, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
		key, _, _ := strings.Cut(rest, "\r\n")
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\nfirst", base64.StdEncoding.EncodeToString(sum[:]))
		talk(c, r)
	})
}

// throughRaw calls test for clients over both protocols, in front of a backend that talks bytes.
func throughRaw(t *testing.T, o gateway.Options, talk func(c net.Conn, r *bufio.Reader), test func(t *testing.T, c *tunnelClient, g *gateway.Gateway)) {
	for _, in := range []bool{false, true} {
		t.Run(map[bool]string{false: "h1", true: "h2"}[in], func(t *testing.T) {
			address, g := forward(t, o, "http://"+raw(t, talk))
			c := openTunnel(t, address, "/", in)
			if c.status != 101 && c.status != 200 {
				t.Fatalf("no tunnel: %d", c.status)
			}
			wantBytes(t, c, "first") // what has come with the head of the response
			test(t, c, g)
		})
	}
}

func wantBytes(t *testing.T, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(r, b); err != nil || string(b) != want {
		t.Fatalf("got %q, %v; want %q", b, err, want)
	}
}

// Each direction of a tunnel ends by itself.
func TestTunnelsEndByHalves(t *testing.T) {
	throughRaw(t, gateway.Options{}, func(c net.Conn, r *bufio.Reader) {
		b, _ := io.ReadAll(r) // to the client's end
		fmt.Fprintf(c, "got %s, and on", b)
	}, func(t *testing.T, c *tunnelClient, g *gateway.Gateway) {
		io.WriteString(c, "all of it")
		c.closeWrite()
		wantBytes(t, c, "got all of it, and on")
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		eventually(t, "the exchange is complete", func() bool { return g.Counts().Exchanges[gateway.OK] == 1 })
	})
	throughRaw(t, gateway.Options{}, func(c net.Conn, r *bufio.Reader) {
		_ = c.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(r)
		if string(b) != "still here" {
			t.Errorf("behind its own end the backend got %q", b)
		}
	}, func(t *testing.T, c *tunnelClient, g *gateway.Gateway) {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the backend's end: %d, %v", n, err)
		}
		io.WriteString(c, "still here")
		c.closeWrite()
		eventually(t, "the exchange is complete", func() bool { return g.Counts().Exchanges[gateway.OK] == 1 })
	})
}

// A reset on one side is a reset on the other.
func TestTunnelsAreReset(t *testing.T) {
	throughRaw(t, gateway.Options{}, func(c net.Conn, r *bufio.Reader) {
		_, _ = r.ReadByte()
		_ = c.(*net.TCPConn).SetLinger(0)
	}, func(t *testing.T, c *tunnelClient, g *gateway.Gateway) {
		io.WriteString(c, "x")
		if _, err := io.ReadAll(c); err == nil {
			t.Error("the backend's reset looks like an end")
		}
		eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[gateway.UpstreamReset] == 1 })
	})
	left := make(chan error, 2)
	throughRaw(t, gateway.Options{}, func(c net.Conn, r *bufio.Reader) {
		_, err := r.ReadByte()
		left <- err
	}, func(t *testing.T, c *tunnelClient, g *gateway.Gateway) {
		if c.framer != nil {
			_ = c.framer.WriteRSTStream(1, http2.ErrCodeCancel)
		} else {
			_ = c.conn.(*net.TCPConn).SetLinger(0)
			c.conn.Close()
		}
		if err := <-left; err == nil || err == io.EOF {
			t.Errorf("the client's reset arrives as %v", err)
		}
		eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[gateway.ClientGone] == 1 && g.Counts().Tunnels == 0 })
	})
}

// A client that does not read stops the backend.
func TestTunnelsHaveBackpressure(t *testing.T) {
	var sent atomic.Int64
	throughRaw(t, gateway.Options{}, func(c net.Conn, r *bufio.Reader) {
		sent.Store(0)
		for b := make([]byte, 64<<10); ; {
			n, err := c.Write(b)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}, func(t *testing.T, c *tunnelClient, g *gateway.Gateway) {
		var still int64
		eventually(t, "the backend is stopped", func() bool {
			now := sent.Load()
			time.Sleep(200 * time.Millisecond)
			still = sent.Load()
			return now > 0 && now == still
		})
		if still > 64<<20 {
			t.Errorf("%d bytes were taken from the backend, and none by the client", still)
		}
		if _, err := io.CopyN(io.Discard, c, still); err != nil {
			t.Error(err)
		}
	})
}

// A tunnel without a byte in either direction ends.
func TestSilentTunnelsEnd(t *testing.T) {
	throughRaw(t, gateway.Options{TunnelIdle: 50 * time.Millisecond}, func(c net.Conn, r *bufio.Reader) {
		_, _ = io.ReadAll(r)
	}, func(t *testing.T, c *tunnelClient, g *gateway.Gateway) {
		if _, err := io.ReadAll(c); err == nil {
			t.Error("the end of silence looks like that of the backend")
		}
		eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[gateway.IdleTimeout] == 1 && g.Counts().Tunnels == 0 })
	})
}

// A backend whose answer does not fit the key is none.
func TestWrongAccept(t *testing.T) {
	backend := scripted(t, func(c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		_, _ = io.ReadAll(r)
	})
	address, _ := forward(t, gateway.Options{}, "http://"+backend)
	if c := openTunnel(t, address, "/", false); c.status != 502 {
		t.Errorf("%d", c.status)
	}
}

// TestTunnelsLeaveRoomForRequests: tunnels that use up the streams of two connections to a backend over HTTP/2 get others.
func TestTunnelsLeaveRoomForRequests(t *testing.T) {
	backend, _ := serveOn(t, func(r *app.Request) app.Answer {
		if r.IsWebSocket() {
			return sockets(r)
		}
		return app.Ready(app.Text(200, "still here"))
	})
	address, _ := forward(t, gateway.Options{}, "h2c://"+backend)
	const streams = 250
	for n := range streams {
		c := openTunnel(t, address, "/", false)
		c.Write(wsFrame(1, "hello"))
		if _, got := readFrame(t, c); got != "hello" {
			t.Fatalf("tunnel %d: %q", n, got)
		}
	}
	resp, err := clientOf(t, false).Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "still here" || err != nil {
		t.Errorf("a request besides %d tunnels: %q, %v", streams, b, err)
	}
}
