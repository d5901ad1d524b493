//go:build linux

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// soon is a timeout as short as a busy machine allows: what must not time out has to be quicker.
const soon = 50 * time.Millisecond

// endless is a response that is never short of content.
func endless(*app.Request) app.Answer {
	return app.Ready(app.Pulled(200, "text/plain", -1, forever{}.Read))
}

// A head that comes too slowly is answered with 408, however often a byte of it comes.
func TestHeadTimeout(t *testing.T) {
	s := serve(t, hello, func(c *server.Config) { c.HeadTimeout = soon })
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\n")
	stop := make(chan struct{})
	dripped := make(chan struct{})
	go func() {
		defer close(dripped)
		tick := time.NewTicker(soon / 10)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.WriteString(l.Conn, "a:b\r\n")
			case <-stop:
				return
			}
		}
	}()
	if response := l.status("GET", 408); !response.Close {
		t.Error("the connection is said to go on")
	}
	close(stop)
	<-dripped
	counts := s.Counts()
	if late := counts.Responses[app.HTTP11][408]; counts.Refused[server.HeadTimeout] != 1 || late != 1 || counts.Refused[server.MalformedHTTP1] != 0 {
		t.Errorf("%d timeouts counted, %d answers with 408, %d malformed requests", counts.Refused[server.HeadTimeout], late, counts.Refused[server.MalformedHTTP1])
	}
	// The second request of a connection is no different.
	l = s.dial()
	l.say(get("/") + "GET / HTTP/1.1\r\n")
	l.hear("GET", 200, "Hello, World!")
	l.status("GET", 408)
	l.end()
}

// A connection that says nothing at all, or not enough to tell the protocol, is closed.
func TestGreetingTimeout(t *testing.T) {
	s := serve(t, hello, func(c *server.Config) { c.HeadTimeout = soon })
	for _, words := range []string{"", "PRI * HTTP/2.0\r\n"} {
		l := s.dial()
		l.say(words)
		l.end()
	}
}

// A connection without requests is closed after a while, one with a request is not.
func TestIdleTimeout(t *testing.T) {
	// Long enough for whoever dials to get to ask on a crowded machine.
	const idleTimeout = 10 * soon
	later := make(chan *app.Promise[*app.Response], 2)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		later <- p
		return f
	}, func(c *server.Config) { c.IdleTimeout = idleTimeout })
	busy := s.dial()
	busy.say(get("/slow"))
	busy2 := s.dial2()
	busy2.request(1, "GET", "/slow", true)
	idle := s.dial()
	idle.say(get("/"))
	idle.hear("GET", 200, "Hello, World!")
	idle2 := s.dial2()
	idle2.request(1, "GET", "/", true)
	idle2.answer(1, "200", "Hello, World!")
	idle.end()
	for {
		if f, ok := idle2.frame().(*http2.GoAwayFrame); ok {
			if f.ErrCode != http2.ErrCodeNo {
				t.Errorf("GOAWAY %v", f.ErrCode)
			}
			break
		}
	}
	for range 2 {
		(<-later).Resolve(app.Text(200, "late"))
	}
	busy.hear("GET", 200, "late")
	busy2.answer(1, "200", "late")
}

// Content that does not come is answered with 408, and ends what was being made of it.
func TestBodyTimeout(t *testing.T) {
	failures := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/echo" {
			return echo(r)
		}
		return app.Catch(whole(r), func(err error) app.Answer {
			failures <- err
			return app.Fail(err)
		})
	}, func(c *server.Config) { c.BodyTimeout = soon })
	t.Run("HTTP/1.1", func(t *testing.T) {
		l := s.in(t).dial()
		l.say(post("/", 10) + "hello")
		l.status("POST", 408)
		if err := <-failures; err == nil {
			t.Error("the application was told nothing")
		}
		l.end()
	})
	t.Run("HTTP/1.1 under way", func(t *testing.T) {
		l := s.in(t).dial()
		l.say(post("/echo", 10) + "hello")
		if got, err := io.ReadAll(l.head("POST", 200).Body); string(got) != "hello" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("heard %q, %v", got, err)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		l := s.in(t).dial2()
		l.request(1, "POST", "/", false)
		if h := l.headers(1); h.status != "408" {
			t.Errorf("status %s", h.status)
		}
		if err := <-failures; err == nil {
			t.Error("the application was told nothing")
		}
	})
	t.Run("HTTP/2 under way", func(t *testing.T) {
		l := s.in(t).dial2()
		l.request(1, "POST", "/echo", false, "content-length", "10")
		l.must(l.framer.WriteData(1, false, []byte("hello")))
		l.headers(1)
		for {
			if f, ok := l.frame().(*http2.RSTStreamFrame); ok {
				if f.StreamID != 1 {
					t.Errorf("RST_STREAM of %d", f.StreamID)
				}
				break
			}
		}
		l.request(3, "POST", "/echo", false)
		l.must(l.framer.WriteData(3, true, []byte("fine")))
		l.answer(3, "200", "fine")
	})
}

// The time in which the application does not ask for content is not the peer's.
func TestBodyTimeoutCountsOnlyThePeer(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		var all []byte
		n := r.Body.Each(make([]byte, 3), func(p []byte) app.Future[app.Done] {
			all = append(all, p...)
			return app.Sleep(r, 3*soon)
		})
		return app.Map(n, func(int64) (*app.Response, error) { return app.Text(200, string(all)), nil })
	}, func(c *server.Config) { c.BodyTimeout = 2 * soon })
	l := s.dial()
	l.say(post("/", 6) + "one")
	l.say("two")
	l.hear("POST", 200, "onetwo")
	l2 := s.dial2()
	l2.request(1, "POST", "/", false)
	l2.must(l2.framer.WriteData(1, false, []byte("one")))
	l2.must(l2.framer.WriteData(1, true, []byte("two")))
	l2.answer(1, "200", "onetwo")
}

// A peer that reads nothing is cut, also behind the last answer, and whatever it has asked for besides.
func TestWriteTimeout(t *testing.T) {
	causes := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/endless":
			return endless(r)
		case "/never":
			_, f := app.Promised[*app.Response](r)
			ctx := r.Context()
			go func() {
				<-ctx.Done()
				causes <- context.Cause(ctx)
			}()
			return f
		}
		return app.Ready(app.Text(200, strings.Repeat("x", 8<<20)))
	}, func(c *server.Config) {
		c.WriteTimeout = soon
		c.HTTP2.StallTimeout = soon
	})
	gone := func() bool { return s.Stats().Connections == 0 }
	for name, words := range map[string]string{
		"endless":             get("/endless"),
		"last answer":         get("/large"),
		"last answer, closed": get("/large", "Connection: close"),
	} {
		l := s.dial()
		l.say(words)
		eventually(t, "the peer that reads nothing is gone: "+name, gone)
		l.Close()
	}
	// Behind what is stuck a request waits whose answer nobody would hear.
	l := s.dial()
	l.say(get("/large") + get("/never"))
	if cause := <-causes; !errors.Is(cause, app.ErrPeerGone) {
		t.Errorf("cause %v", cause)
	}
	eventually(t, "the peer that reads nothing is gone", gone)

	// Over HTTP/2 the windows may be open while the socket is not read.
	l2 := s.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	l2.must(l2.framer.WriteWindowUpdate(0, 1<<30))
	l2.request(1, "GET", "/endless", true)
	eventually(t, "the HTTP/2 peer that reads nothing is gone", gone)
}

// repeated answers with so many bytes.
func repeated(r *app.Request) app.Answer {
	n, err := strconv.Atoi(r.QueryValue("n"))
	if err != nil {
		return hello(r)
	}
	return app.Ready(app.Text(200, strings.Repeat("x", n)))
}

// dialDeaf has peers that read nothing ask for sizes that differ by little: for some of them the answer is given
// away whole and a rest of it waits, whatever the kernel holds.
func (s *site) dialDeaf(say func(size int) string) {
	for size := 16 << 10; size <= 640<<10; size += 16 << 10 {
		s.dialNarrow().say(say(size))
	}
}

// A peer that does not read the end of the last answer is cut as well.
func TestWriteTimeoutAtTheEnd(t *testing.T) {
	s := serve(t, repeated, func(c *server.Config) { c.WriteTimeout = soon })
	s.dialDeaf(func(size int) string { return get(fmt.Sprint("/?n=", size), "Connection: close") })
	eventually(t, "the peers are gone, and some were cut", func() bool {
		return s.Stats().Connections == 0 && s.Counts().Refused[server.WriteTimeout] > 0
	})
}

// While a peer reads, or should, its time to send does not pass, and nobody else waits for it.
func TestReadersHaveTimeToSend(t *testing.T) {
	s := serve(t, repeated, func(c *server.Config) {
		c.Loops = 1
		c.HeadTimeout, c.IdleTimeout, c.BodyTimeout = 4*soon, soon, soon
	})
	for _, then := range []string{"", "GET / HT", post("/", 10) + "abc"} {
		s.dialDeaf(func(size int) string { return get(fmt.Sprint("/?n=", size)) + then })
	}
	slow := s.dialNarrow()
	slow.say(get("/?n=1000000") + "GET / HT")
	for range 3 {
		// Another one's time passes meanwhile.
		other := s.dial()
		other.say(get("/") + "GET / HT")
		other.hear("GET", 200, "Hello, World!")
		other.status("GET", 408)
	}
	if n, err := io.Copy(io.Discard, slow.head("GET", 200).Body); n != 1000000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A peer that reads slowly takes something all the time and is not cut.
func TestWriteTimeoutSparesTheSlow(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<14)
	s := serve(t, func(*app.Request) app.Answer { return app.Ready(app.Text(200, content)) },
		func(c *server.Config) { c.WriteTimeout = 4 * soon })
	l := s.dialNarrow()
	l.say(get("/"))
	sip(t, l.head("GET", 200).Body, len(content))

	l2 := newLine2(s.dialNarrow())
	l2.open(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	l2.must(l2.framer.WriteWindowUpdate(0, 1<<30))
	l2.request(1, "GET", "/", true)
	sip(t, l2.r, len(content))
}

// So is a WebSocket's peer.
func TestWriteTimeoutSparesTheSlowSocket(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<14)
	e := &websocket.Endpoint{
		Compression: websocket.Compression{Off: true},
		Open:        func(s *websocket.Socket, _ *app.Request) { s.SendText(content) },
	}
	s := serve(t, at(e), func(c *server.Config) { c.WriteTimeout = 4 * soon })
	l := s.dialNarrow()
	l.say(get("/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+sampleKey))
	if response, err := http.ReadResponse(l.r, nil); err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	sip(t, l.r, len(content))
}

// dialNarrow connects with a window that is small from the start: a kernel that has seen a larger one waits for
// it to open.
func (s *site) dialNarrow() *line {
	s.t.Helper()
	small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10) })
	}}
	c, err := small.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.over(c)
}

// sip reads that many bytes, a few at a time.
func sip(t *testing.T, r io.Reader, size int) {
	t.Helper()
	tick := time.NewTicker(soon / 5)
	defer tick.Stop()
	got := 0
	for buf := make([]byte, 4<<10); got < size; <-tick.C {
		n, err := r.Read(buf)
		got += n
		if err != nil && got < size {
			t.Fatalf("cut after %d bytes: %v", got, err)
		}
	}
}

// A deadline of the request ends its context, its answer is 503, and what comes late is inert: on both
// protocols, and the connection goes on.
func TestRequestDeadline(t *testing.T) {
	late := make(chan bool, 2)
	causes := make(chan error, 2)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		ctx := r.Context()
		go func() {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			late <- p.Resolve(app.Text(200, "too late"))
		}()
		return f
	}, func(c *server.Config) { c.RequestTimeout = soon })
	l, l2 := s.dial(), s.dial2()
	l.say(get("/slow"))
	l2.request(1, "GET", "/slow", true)
	l.hear("GET", 503, "no answer in time\n")
	l2.answer(1, "503", "no answer in time\n")
	for range 2 {
		if cause := <-causes; !errors.Is(cause, app.ErrDeadline) {
			t.Errorf("cause %v", cause)
		}
		if !<-late {
			t.Error("the first result of the promise is not its first")
		}
	}
	l.say(get("/"))
	l.hear("GET", 200, "Hello, World!")
	l2.request(3, "GET", "/", true)
	l2.answer(3, "200", "Hello, World!")
}

// The deadline ends with the head of the response: a stream has all the time that it needs.
func TestDeadlineEndsWithTheHead(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(app.Sleep(w.Request(), 3*soon), func(app.Done) app.Future[app.Done] { return w.WriteString("late") })
		}))
	}, func(c *server.Config) { c.RequestTimeout = soon })
	l, l2 := s.dial(), s.dial2()
	l.say(get("/"))
	l2.request(1, "GET", "/", true)
	l.hear("GET", 200, "late")
	l2.answer(1, "200", "late")
}
