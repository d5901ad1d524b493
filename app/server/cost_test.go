//go:build linux && !race

package server_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// A request is one block of memory for its exchange, which those that arrive together over HTTP/1.1 share, and one for its
// text unless the peer repeats itself: the strings of HTTP/2 are those of the connection's table then, those of HTTP/1.1 of
// a head that the loop remembers. An answer that is ready and made before adds nothing. The race detector allocates too, so
// this test is left out of its builds.
func TestAllocationsARequest(t *testing.T) {
	static := app.Text(200, "Hello, World!")
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(static)
	}, func(c *server.Config) { c.Loops = 1 })
	const batch = 50
	l := s.dial()
	l.say(get("/", "Accept: */*"))
	l.hear("GET", 200, "Hello, World!")
	words := []byte(strings.Repeat(get("/", "Accept: */*"), batch))
	answers := make([]byte, batch*len(helloAnswer))
	one := allocations(200, func() {
		exchangeBytes(t, l.Conn, words, answers)
	}) / batch
	const mark = "0123456789abcdef"
	words = []byte(strings.Repeat(get("/", "Accept: "+mark), batch))
	at, size, number := bytes.Index(words, []byte(mark)), len(words)/batch, make([]byte, len(mark)/2)
	different := allocations(200, func() {
		for i := range batch {
			binary.BigEndian.PutUint64(number, binary.BigEndian.Uint64(number)+1)
			hex.Encode(words[i*size+at:], number)
		}
		exchangeBytes(t, l.Conn, words, answers)
	}) / batch
	t.Logf("%.2f allocations a request over HTTP/1.1, %.2f if no two are the same", one, different)

	l2 := s.dial2()
	l2.request(1, "GET", "/", true, "accept", "*/*")
	l2.answer(1, "200", "Hello, World!")
	two := allocations(200, l2.rounds(batch)) / batch
	t.Logf("%.2f allocations a request over HTTP/2", two)

	// Now and then the runtime allocates for itself.
	if one > 0.3 || different > 1.3 || two > 1.1 {
		t.Errorf("%.2f allocations a request over HTTP/1.1, %.2f for one of its own, and %.2f over HTTP/2; want a sixth, 1 more, and 1", one, different, two)
	}
}

const helloAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Tue, 24 Nov 2026 07:10:58 GMT\r\nContent-Length: 13\r\n\r\nHello, World!"

func exchangeBytes(t *testing.T, c io.ReadWriter, words, answers []byte) {
	t.Helper()
	if _, err := c.Write(words); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answers); err != nil {
		t.Fatal(err)
	}
}

// rounds is a function that opens so many streams in one write and reads their answers, without allocating.
func (l *line2) rounds(streams int) func() {
	l.block.Reset()
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}, {"accept", "*/*"}} {
		l.must(l.encode.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	block := l.block.Bytes()
	var words []byte
	for range streams {
		words = append(words, 0, 0, byte(len(block)), 1, 5, 0, 0, 0, 0)
		words = append(words, block...)
	}
	next := uint32(3)
	answers, head := []byte(nil), make([]byte, 9)
	return func() {
		for i := range streams {
			binary.BigEndian.PutUint32(words[i*(9+len(block))+5:], next)
			next += 2
		}
		update := []byte{0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 255, 255}
		if _, err := l.Conn.Write(append(words, update...)[:len(words)+len(update)]); err != nil {
			l.t.Fatal(err)
		}
		for ended := 0; ended < streams; {
			if _, err := io.ReadFull(l.r, head); err != nil {
				l.t.Fatal(err)
			}
			n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
			if cap(answers) < n {
				answers = make([]byte, n)
			}
			if _, err := io.ReadFull(l.r, answers[:n]); err != nil {
				l.t.Fatal(err)
			}
			if head[3] <= 1 && head[4]&1 != 0 {
				ended++
			}
		}
	}
}

// allocations is how many a run makes, in the whole process. Nothing else runs meanwhile.
func allocations(runs int, run func()) float64 {
	for range runs / 10 {
		run()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		run()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(runs)
}

// A read that the limit of pipelined requests ends leaves no memory for requests behind it unused.
func TestAllocatedBytesAtThePipeliningLimit(t *testing.T) {
	static := app.Text(200, "Hello, World!")
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(static)
	}, func(c *server.Config) { c.Loops, c.HTTP1.Pipelined = 1, 1 })
	const batch, runs = 50, 100
	l := s.dial()
	words := []byte(strings.Repeat(get("/"), batch))
	answers := make([]byte, batch*len(helloAnswer))
	exchangeBytes(t, l.Conn, words, answers)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		exchangeBytes(t, l.Conn, words, answers)
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / (batch * runs); got > 1024 {
		t.Errorf("%d bytes are allocated a request, want the 512 of its exchange", got)
	}
}

// idleWatcher is an observer that does nothing.
type idleWatcher struct{ told int }

func (w *idleWatcher) Loop(int) server.LoopObserver { return w }

func (w *idleWatcher) Opened(*app.Request, *server.Record)   { w.told++ }
func (w *idleWatcher) Finished(*app.Request, *server.Record) { w.told++ }

// An observer adds no allocation to a request.
func TestAllocationsOfAnObservedRequest(t *testing.T) {
	static := app.Text(200, "Hello, World!")
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(static)
	}, func(c *server.Config) { c.Loops, c.Observers = 1, []server.Observer{&idleWatcher{}} })
	const batch = 50
	l := s.dial()
	words := []byte(strings.Repeat(get("/", "Accept: */*"), batch))
	answers := make([]byte, batch*len(helloAnswer))
	one := allocations(200, func() { exchangeBytes(t, l.Conn, words, answers) }) / batch

	l2 := s.dial2()
	l2.request(1, "GET", "/", true, "accept", "*/*")
	l2.answer(1, "200", "Hello, World!")
	two := allocations(200, l2.rounds(batch)) / batch
	if one > 1.1 || two > 1.1 {
		t.Errorf("%.2f allocations a request over HTTP/1.1 and %.2f over HTTP/2, want 1", one, two)
	}
}
