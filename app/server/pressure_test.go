//go:build linux

package server_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

const shortOfMemory = "short of memory, try again in a while"

// scarce wants the answer to requests while memory is scarce, after which the connection ends.
func (l *line) scarce() {
	l.t.Helper()
	response, err := http.ReadResponse(l.r, &http.Request{Method: "GET"})
	if err != nil {
		l.t.Fatalf("no response: %v", err)
	}
	if text := readAll(response); response.StatusCode != 503 || !strings.Contains(text, shortOfMemory) ||
		response.Header.Get("Retry-After") != "2" || !response.Close {
		l.t.Errorf("heard %d %q with %v", response.StatusCode, text, response.Header)
	}
	l.end()
}

func serveText(text string) app.Handler {
	return func(*app.Request) app.Answer { return app.Ready(app.Text(200, text)) }
}

// New connections and further requests get 503 while memory is scarce, and probes are served.
func TestScarceMemoryOverHTTP1(t *testing.T) {
	s := serve(t, serveText("fine"))
	const get, probe = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz?now HTTP/1.1\r\nHost: x\r\n\r\n"
	kept := s.dial()
	kept.say(get)
	kept.hear("GET", 200, "fine")

	s.SetMemoryLevel(server.MemoryScarce)
	kept.say(get)
	kept.scarce()
	for _, request := range []string{get, "G", "", "POST /healthz", "GET /healthzz HTTP"} {
		c := s.dial()
		c.say(request)
		if strings.HasPrefix("GET /healthz", request) {
			continue // it may become a probe
		}
		c.scarce()
	}
	for at := range len(probe) {
		c := s.dial()
		c.say(probe[:at])
		c.say(probe[at:])
		c.hear("GET", 200, "fine")
	}
	both := s.dial()
	both.say(probe + get)
	both.hear("GET", 200, "fine")
	both.scarce()
	if n := s.Counts().Refused[server.MemoryScarcity]; n != 5 {
		t.Errorf("%d requests were counted as refused, want 5", n)
	}

	s.SetMemoryLevel(server.MemoryAmple)
	c := s.dial()
	c.say(get)
	c.hear("GET", 200, "fine")
}

// An upload that is refused can still read its answer.
func TestScarceMemoryDuringAnUpload(t *testing.T) {
	s := serve(t, serveText("fine"))
	c := s.dial()
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.hear("GET", 200, "fine")
	s.SetMemoryLevel(server.MemoryScarce)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 1000))
	c.scarce()
}

func TestScarceMemoryOverHTTP2(t *testing.T) {
	s := serve(t, serveText("fine"))
	s.SetMemoryLevel(server.MemoryScarce)
	l := s.dial2()
	l.request(1, "GET", "/", true)
	if head := l.headers(1); head.status != "503" {
		t.Errorf("status %s", head.status)
	}
	l.request(3, "GET", "/healthz", true)
	l.answered(3, "200")
	s.SetMemoryLevel(server.MemoryAmple)
	l.request(5, "GET", "/", true)
	l.answered(5, "200")

	s.SetMemoryLevel(server.MemoryCritical)
	late := s.dial()
	late.say(http2.ClientPreface)
	const goaway = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if heard, err := io.ReadAll(late.r); err != nil || string(heard) != goaway {
		t.Errorf("heard %q, %v, want SETTINGS and GOAWAY", heard, err)
	}
}

// Idle connections are closed in the order in which they became idle, and those with a request are not.
func TestIdleConnectionsCloseWhenMemoryIsLow(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath != "/wait" {
			return app.Ready(app.Text(200, "fine"))
		}
		p, f := app.Promised[*app.Response](r)
		go func() {
			<-release
			p.Resolve(app.Text(200, "waited"))
		}()
		return f
	}, func(c *server.Config) { c.Loops = 1 })
	busy := s.dial()
	busy.say("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	var idle []*line
	for range 3 {
		c := s.dial()
		c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.hear("GET", 200, "fine")
		idle = append(idle, c)
	}
	streams := s.dial2()
	streams.request(1, "GET", "/", true)
	streams.answered(1, "200")

	const limit, until = 100 << 20, 70 << 20
	low := func(n uint64) { s.RelieveMemory(server.MemoryLow, until+n*8<<10) }
	eventually(t, "the oldest idle connection to close", func() bool {
		low(0) // one of each loop
		return s.Counts().Refused[server.MemoryIdle] > 0
	})
	idle[0].end()
	eventually(t, "the others to close", func() bool {
		low(10)
		return s.Counts().Refused[server.MemoryIdle] >= 4
	})
	idle[1].end()
	idle[2].end()
	streams.until("GOAWAY", func(frame http2.Frame) bool { _, ok := frame.(*http2.GoAwayFrame); return ok })
	close(release)
	busy.hear("GET", 200, "waited")
}

// The connection that holds the most is reset while memory is critical; a peer that reads is not.
func TestTheLargestAreCutWhenMemoryIsCritical(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/large" {
			return app.Ready(app.Blob(200, "text/plain", make([]byte, 64<<20)))
		}
		return app.Ready(app.Text(200, "fine"))
	}, func(c *server.Config) { c.Loops = 1 })
	reader, slow := s.dial(), s.dial()
	reader.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	reader.hear("GET", 200, "fine")
	slow.say("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := slow.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the slow reader to be cut", func() bool {
		s.RelieveMemory(server.MemoryCritical, 98<<20)
		return s.Counts().Refused[server.MemoryCut] > 0
	})
	if n, err := io.Copy(io.Discard, slow.r); err == nil {
		t.Errorf("the response of the slow reader ends after %d bytes without an error", n)
	}
}

// Connections open and close while a round divides what is to be freed between the loops.
func TestReliefWhileConnectionsComeAndGo(t *testing.T) {
	s := serve(t, serveText("fine"), func(c *server.Config) { c.Loops = 1 })
	var ended atomic.Bool
	ending := make(chan struct{})
	go func() {
		defer close(ending)
		for range 300 {
			c, err := net.DialTimeout("tcp", s.addr, patience)
			if err != nil {
				t.Error(err)
				break
			}
			_ = c.Close()
		}
		ended.Store(true)
	}()
	for !ended.Load() {
		s.RelieveMemory(server.MemoryLow, 80<<20)
	}
	<-ending
	c := s.dial()
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.hear("GET", 200, "fine")
}
