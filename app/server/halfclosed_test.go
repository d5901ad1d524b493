//go:build linux

package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
)

// A FIN behind content that the application has not asked for yet loses none of it.
func TestHalfClosedBehindHeldContent(t *testing.T) {
	begin := make(chan *app.Promise[app.Done], 2)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[app.Done](r)
		begin <- p
		return app.Then(f, func(app.Done) app.Answer { return digest(r) })
	})
	for _, size := range []int{5, 300 << 10} {
		content := pattern(size)
		l := s.dial()
		l.say(post("/", size))
		read := <-begin
		l.say(content)
		l.finish()
		read.Resolve(app.Done{})
		l.hear("POST", 200, digestOf(content))
		l.end()

		h := s.dial2()
		h.request(1, "POST", "/", false)
		read = <-begin
		// A stream's window is open for 64 KiB ahead of the application.
		content = content[:min(size, 60<<10)]
		for rest := content; rest != ""; {
			n := min(len(rest), 16<<10)
			h.must(h.framer.WriteData(1, n == len(rest), []byte(rest[:n])))
			rest = rest[n:]
		}
		h.finish()
		read.Resolve(app.Done{})
		h.answer(1, "200", digestOf(content))
		h.end()
	}
}

// Requests that were pipelined before a FIN are all answered, more than may wait at once included.
func TestHalfClosedBehindManyRequests(t *testing.T) {
	first := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath != "/first" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		first <- p
		return f
	})
	l := s.dial()
	l.say(get("/first") + strings.Repeat(get("/"), 200))
	l.finish()
	(<-first).Resolve(app.Text(200, "first"))
	l.hear("GET", 200, "first")
	for range 200 {
		l.hear("GET", 200, "Hello, World!")
	}
	l.end()
}

// Content that ends too early fails its reader, and the connection does not stay.
func TestHalfClosedWithinContent(t *testing.T) {
	failures := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/echo" {
			return echo(r)
		}
		return app.Catch(whole(r), func(err error) app.Answer {
			failures <- err
			return app.Fail(err)
		})
	})
	l := s.dial()
	l.say(post("/", 10) + "hello")
	l.finish()
	l.status("POST", 400)
	l.end()
	if err := <-failures; err == nil || err == io.EOF {
		t.Errorf("the application was told %v", err)
	}

	l = s.dial()
	l.say(post("/echo", 10) + "hello")
	response := l.head("POST", 200)
	l.finish()
	if got, err := io.ReadAll(response.Body); string(got) != "hello" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("heard %q, %v", got, err)
	}

	h := s.dial2()
	h.request(1, "POST", "/", false)
	h.must(h.framer.WriteData(1, false, []byte("hello")))
	h.finish()
	if err := <-failures; err == nil || err == io.EOF {
		t.Errorf("the application was told %v", err)
	}

	h = s.dial2()
	h.request(1, "POST", "/echo", false)
	h.must(h.framer.WriteData(1, false, []byte("hello")))
	h.headers(1)
	h.finish()
	for {
		if f, ok := h.frame().(*http2.RSTStreamFrame); ok && f.StreamID == 1 {
			break
		}
	}
	eventually(t, "all connections are gone", func() bool { return s.Stats().Connections == 0 })
}

// A head that a FIN cuts off is refused at once, in place of waiting for the rest of it.
func TestHalfClosedWithinHead(t *testing.T) {
	s := serve(t, hello)
	for _, head := range []string{"GET / HT", "GET / HTTP/1.1\r\nHost: example.org\r\n", get("/") + "GET"} {
		l := s.dial()
		l.say(head)
		if strings.HasPrefix(head, get("/")) {
			l.hear("GET", 200, "Hello, World!")
		}
		l.finish()
		l.status("GET", 400)
		l.end()
	}
	eventually(t, "all connections are gone", func() bool { return s.Stats().Connections == 0 })
}

// A FIN ends the contexts of what is under way, and what is answered nevertheless is sent: HTTP/2 too.
func TestHalfClosedHTTP2(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		ctx := r.Context()
		go func() {
			<-ctx.Done()
			p.Resolve(app.Text(200, context.Cause(ctx).Error()))
		}()
		return f
	})
	h := s.dial2()
	h.request(1, "GET", "/", true)
	h.request(3, "GET", "/", true)
	h.finish()
	for stream, content := range h.contents(2) {
		if content != app.ErrHalfClosed.Error() {
			t.Errorf("stream %d: %q", stream, content)
		}
	}
	eventually(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
}

// A complete request before a FIN without close_notify is answered over TLS too; an incomplete one is never
// taken for complete.
func TestTLSBareFIN(t *testing.T) {
	later := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.Method == "POST" {
			return digest(r)
		}
		p, f := app.Promised[*app.Response](r)
		later <- p
		return f
	}, withIdentity(issue(t, "a.test", nil)))
	leave := func(l *line) {
		t.Helper()
		if err := l.Conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	l := s.dialTLS(anyone())
	l.say(post("/", 5) + "hello")
	leave(l)
	l.hear("POST", 200, digestOf("hello"))
	l.end()

	l = s.dialTLS(anyone())
	l.say(get("/"))
	leave(l)
	(<-later).Resolve(app.Text(200, "late"))
	l.hear("GET", 200, "late")
	l.end()

	l = s.dialTLS(anyone())
	l.say(post("/", 5) + "hell")
	leave(l)
	l.status("POST", 400)
	l.end()
	eventually(t, "all connections are gone", func() bool { return s.Stats().Connections == 0 })
}
