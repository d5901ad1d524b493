//go:build linux

package server_test

import (
	"io"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/h1"
)

// malformed are requests that no two readers need understand alike, each with its answer. h1 has the whole
// table; what matters here is the socket.
var malformed = []struct {
	name, request string
	status        int
}{
	{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
	{"bare CR", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400},
	{"NUL", "GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n", 400},
	{"control character", "GET / HTTP/1.1\r\nHost: a\r\nA: \x01\r\n\r\n", 400},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"space in front", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"no version", "GET /\r\n\r\n", 400},
	{"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
	{"folded line", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
	{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	{"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	{"invalid Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	{"both lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
	{"list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", 400},
	{"signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400},
	{"chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400},
	{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zip, chunked\r\n\r\n", 501},
	{"invalid chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n", 400},
	{"chunk longer than said", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
	{"huge chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 400},
	{"expectation", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: luck\r\n\r\n", 417},
	{"long target", "GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
	{"many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 200) + "\r\n", 431},
	{"large field", "GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", 431},
	{"unknown major version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
	{"long method", strings.Repeat("M", 100) + " / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
}

// Nothing behind a malformed request is interpreted, and its answer arrives although the peer still sends.
// RFC 9112 section 9.6.
func TestMalformedRequests(t *testing.T) {
	var smuggled atomic.Int64
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/smuggled":
			smuggled.Add(1)
		case "/":
			return app.Catch(whole(r), func(err error) app.Answer { return app.Fail(err) })
		}
		return hello(r)
	})
	for _, m := range malformed {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			l := s.in(t).dial()
			sent := l.flood(get("/first")+m.request+get("/smuggled"), false)
			l.hear("GET", 200, "Hello, World!")
			response := l.head("POST", m.status)
			if !response.Close {
				t.Error("the connection is said to go on")
			}
			if sentence, err := io.ReadAll(response.Body); err != nil || len(sentence) == 0 {
				t.Errorf("content %q, %v", sentence, err)
			}
			l.end()
			l.close()
			<-sent
		})
	}
	t.Cleanup(func() {
		if n := smuggled.Load(); n > 0 {
			t.Errorf("%d smuggled requests reached the application", n)
		}
	})
}

// An answer counts, whoever gave it: what a client has counted is what the server has.
func TestRefusalsAreCounted(t *testing.T) {
	s := serve(t, whole)
	answers := map[int]uint64{}
	for _, m := range malformed {
		l := s.dial()
		l.say(get("/") + m.request)
		l.hear("GET", 200, "")
		l.status("POST", m.status)
		answers[200]++
		answers[m.status]++
		l.close()
	}
	l := s.dial()
	l.say(post("/", 10) + "hello")
	l.finish()
	l.status("POST", 400)
	answers[400]++
	refused := uint64(len(malformed)) + 1

	l = s.dial()
	l.say("no words for me\r\n\r\n")
	l.end()
	refused++

	counts := s.Counts()
	if got := counts.Responses[app.HTTP11]; !maps.Equal(got, answers) {
		t.Errorf("answers %v, want %v", got, answers)
	}
	if counts.Refused[server.MalformedHTTP1] != refused {
		t.Errorf("%d malformed, want %d", counts.Refused[server.MalformedHTTP1], refused)
	}
}

// A malformed request waits for the answers in front of it.
func TestMalformedBehindASlowOne(t *testing.T) {
	first := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		first <- p
		return f
	})
	l := s.dial()
	l.say(get("/") + "BAD\r\n\r\n" + get("/never"))
	p := <-first
	l.nothing()
	p.Resolve(app.Text(200, "first"))
	l.hear("GET", 200, "first")
	l.status("GET", 400)
	l.end()
	if len(first) > 0 {
		t.Error("what stood behind was interpreted")
	}
}

// Nobody is connected through this server: a 2xx to CONNECT would turn what follows into a tunnel.
func TestConnectOpensNoTunnel(t *testing.T) {
	s := serve(t, hello)
	l := s.dial()
	l.say("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + get("/"))
	l.status("GET", 501)
	l.hear("GET", 200, "Hello, World!")
	l2 := s.dial2()
	l2.connect(1, "a:80")
	if h := l2.headers(1); h.status != "501" {
		t.Errorf("status %s", h.status)
	}
}

// A head as large as the limits allow is read, whatever they are.
func TestLargeHeads(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, strconv.Itoa(len(r.Fields.Get("A")))))
	}, func(c *server.Config) { c.HTTP1 = h1.Limits{FieldSize: 4 << 20} })
	l := s.dial()
	l.say(get("/", "A: "+strings.Repeat("x", 3<<20)))
	l.hear("GET", 200, strconv.Itoa(3<<20))
}
