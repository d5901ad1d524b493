package h1

import (
	"strings"
	"testing"
	"unsafe"
)

// An idle connection is this and no buffer.
func TestClientIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Client{}); size > 96 {
		t.Errorf("a Client has %d bytes", size)
	}
}

// nginxResponse is what nginx sends for a small file.
const nginxResponse = "HTTP/1.1 200 OK\r\nServer: nginx/1.26.0\r\nDate: Sat, 28 Nov 2026 14:29:02 GMT\r\nContent-Type: text/html\r\n" +
	"Content-Length: 13\r\nLast-Modified: Tue, 23 Apr 2024 14:04:32 GMT\r\nConnection: keep-alive\r\nETag: \"6627c0d0-267\"\r\n" +
	"Accept-Ranges: bytes\r\n\r\nHello, World!"

// cookieResponse has a cookie too.
var cookieResponse = strings.Replace(nginxResponse, "\r\n\r\n", "\r\nSet-Cookie: session=0123456789abcdef0123456789abcdef\r\n\r\n", 1)

var forwarded = &ClientRequest{
	Method: "GET", Target: "/search?q=event+loop&lang=en", Authority: "www.example.com",
	Fields: []Field{
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		{"Accept-Language", "en-US,en;q=0.5"},
		{"Accept-Encoding", "gzip, deflate, br, zstd"},
		{"X-Forwarded-For", "192.0.2.1"},
		{"X-Forwarded-Proto", "https"},
		{"Via", "1.1 gatewheel"},
	},
}

// clientExchange makes one request and reads its response.
func clientExchange(t testing.TB, c *Client, ev *ClientEvent, r *ClientRequest, in, out []byte) []byte {
	if err := c.Request(r); err != nil {
		t.Fatal(err)
	}
	out = c.Transmit(out[:0], 1<<16)
	for len(in) > 0 || !c.Idle() {
		n, err := c.Next(in, ev)
		if err != nil || ev.Kind == NeedMore {
			t.Fatal(err, ev.Kind)
		}
		in = in[n:]
	}
	return out
}

// A request costs nothing; its response one allocation, which holds the text of its head,
// and none if that is remembered.
func TestClientAllocations(t *testing.T) {
	source := &repeated{}
	for _, test := range []struct {
		name     string
		request  *ClientRequest
		response string
		want     float64
	}{
		{"small", getA, okEmpty, 1},
		{"content", forwarded, nginxResponse, 1},
		{"chunks", forwarded, okChunks + "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", 1},
		{"interim", getA, hints + okEmpty, 2},
		{"bytes", postA, okEmpty, 1},
		{"a source of known length", &ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: source, Length: 1000}, okEmpty, 1},
		{"a source in chunks", &ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: source, Length: -1}, okEmpty, 1},
		{"options", &ClientRequest{Method: "GET", Target: "/", Authority: "a", Trailers: true, Upgrade: "tea"}, okEmpty, 1},
	} {
		var c Client
		var ev ClientEvent
		c.Init(benchShared())
		in, out := []byte(test.response), make([]byte, 0, 1<<17)
		ask := func() {
			source.left = 1000
			out = clientExchange(t, &c, &ev, test.request, in, out)
		}
		got := testing.AllocsPerRun(100, func() {
			c.sh.unknown, c.sh.responses = 0, new([2][memos]headMemo[ResponseHead])
			ask()
		})
		if got != test.want+1 {
			t.Errorf("%s: %v allocations, want %v", test.name, got-1, test.want)
		}
		if got := testing.AllocsPerRun(100, ask); got != 0 {
			t.Errorf("%s, remembered: %v allocations", test.name, got)
		}
	}
}

func benchmarkClient(b *testing.B, r *ClientRequest, response string) {
	var c Client
	var ev ClientEvent
	c.Init(benchShared())
	in, out := []byte(response), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out = clientExchange(b, &c, &ev, r, in, out)
	}
	b.SetBytes(int64(len(in)))
}

func BenchmarkClientSmall(b *testing.B) {
	benchmarkClient(b, getA, okLine+"Content-Length: 2\r\n\r\nok")
}
func BenchmarkClientNginx(b *testing.B)  { benchmarkClient(b, forwarded, nginxResponse) }
func BenchmarkClientCookie(b *testing.B) { benchmarkClient(b, forwarded, cookieResponse) }
