package h1

import (
	"testing"
	"time"
)

// wrkRequest is what wrk sends by default.
const wrkRequest = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"

// browserRequest is what a browser sends that has no cookie, cookieRequest what it
// sends with one.
const browserRequest = browserLines + "\r\n"
const cookieRequest = browserLines + "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"

const browserLines = "GET /search?q=event+loop&lang=en HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://www.example.com/\r\n" +
	"Connection: keep-alive\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n"

var hello = &Response{
	Status: 200,
	Fields: []Field{{"Content-Type", "text/plain; charset=utf-8"}, {"Server", "gatewheel"}},
	Bytes:  []byte("Hello, World!"),
}

func benchShared() *Shared {
	sh := NewShared(Limits{})
	sh.Tick(time.Unix(1700000000, 0))
	return sh
}

func benchmarkExchange(b *testing.B, request string) {
	var c Conn
	var ev Event
	c.Init(benchShared())
	in, out := []byte(request), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := c.Next(in, &ev); n != len(in) || err != nil || ev.Kind != Request {
			b.Fatal(n, err)
		}
		if err := c.Respond(ev.ID, hello); err != nil {
			b.Fatal(err)
		}
		out = c.Transmit(out[:0], 1<<16)
		if n, err := c.Next(nil, &ev); n != 0 || err != nil || ev.Kind != NeedMore {
			b.Fatal(n, err)
		}
	}
	b.SetBytes(int64(len(in)))
}

func BenchmarkExchangeWrk(b *testing.B)     { benchmarkExchange(b, wrkRequest) }
func BenchmarkExchangeBrowser(b *testing.B) { benchmarkExchange(b, browserRequest) }

func BenchmarkExchangeCookie(b *testing.B) { benchmarkExchange(b, cookieRequest) }

func benchmarkParse(b *testing.B, request string) {
	sh := benchShared()
	in := []byte(request)
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		s := scanner{}
		n, err := s.scan(sh, in)
		if n != len(in) || err != nil {
			b.Fatal(n, err)
		}
		if err := h.parse(sh, string(in)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseWrk(b *testing.B)     { benchmarkParse(b, wrkRequest) }
func BenchmarkParseBrowser(b *testing.B) { benchmarkParse(b, browserRequest) }

func BenchmarkRespond(b *testing.B) {
	var c Conn
	c.Init(benchShared())
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		ex := c.push()
		ex.minor = 1
		if err := c.Respond(ex.id, hello); err != nil {
			b.Fatal(err)
		}
		out = c.Transmit(out[:0], 1<<16)
	}
}
