//go:build linux

package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

func hello(*app.Request) app.Answer {
	return app.Ready(app.Text(200, "Hello, World!"))
}

// HTTP/1.1 and HTTP/2 are served side by side on one port.
func TestOnePortAnswers(t *testing.T) {
	s := serve(t, hello)
	for protocol, client := range map[string]*http.Client{"HTTP/1.1": s.client(), "HTTP/2.0": s.client2()} {
		response, err := client.Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != 200 || string(body) != "Hello, World!" || response.Proto != protocol {
			t.Fatalf("got %s %d %q", response.Proto, response.StatusCode, body)
		}
		if response.Header.Get("Date") == "" {
			t.Error("no Date")
		}
	}
}

// HTTP/1 answers leave in request order, also when the later one is ready first.
func TestAnswersLeaveInRequestOrder(t *testing.T) {
	first := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.Target != "/first" {
			return app.Ready(app.Text(200, r.Target))
		}
		p, f := app.Promised[*app.Response](r)
		first <- p
		return f
	})
	l := s.dial()
	l.say("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	l.say("GET /third HTTP/1.1\r\nHost: a\r\n\r\n")
	(<-first).Resolve(app.Text(200, "/first"))
	l.hear("GET", 200, "/first")
	l.hear("GET", 200, "/second")
	l.hear("GET", 200, "/third")
}

// A peer that half-closes still gets its answer, and the request's context has ended by then.
func TestHalfClosedPeerGetsItsAnswer(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		ctx := r.Context()
		go func() {
			<-ctx.Done()
			p.Resolve(app.Text(200, "late"))
		}()
		return f
	})
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := l.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	l.hear("GET", 200, "late")
	l.end()
}

// Resolution after the peer has gone is inert, and the request's context says that it went.
func TestPeerGoneCancels(t *testing.T) {
	causes := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		ctx := r.Context()
		go func() {
			<-ctx.Done()
			p.Resolve(app.Text(200, "nobody hears this"))
			causes <- context.Cause(ctx)
		}()
		return f
	})
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := l.Conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if cause := <-causes; !errors.Is(cause, app.ErrPeerGone) && !errors.Is(cause, app.ErrHalfClosed) {
		t.Fatalf("cause %v", cause)
	}
}

// A promise that is never resolved meets the request's deadline with 503.
func TestNeverResolvedMeetsTheDeadline(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		_, f := app.Promised[*app.Response](r)
		return f
	}, func(c *server.Config) { c.RequestTimeout = 10 * time.Millisecond })
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if response := l.hear("GET", 503, "no answer in time\n"); response.Close {
		t.Error("the connection was not kept")
	}
}

// A panic becomes 500, a log line with the stack, and nothing else.
func TestPanicIsContained(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/panic" {
			panic("of the handler")
		}
		return hello(r)
	})
	l := s.dial()
	l.say("GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	l.hear("GET", 500, "Internal Server Error\n")
	l.hear("GET", 200, "Hello, World!")
	eventually(t, "the panic is logged", func() bool { return s.logs.FilterMessage("panic in the application").Len() > 0 })
	logged := s.logs.FilterMessage("panic in the application").All()
	if len(logged) != 1 || !strings.Contains(string(logged[0].ContextMap()["stack"].(string)), "TestPanicIsContained") {
		t.Fatalf("logged %v", logged)
	}
}

func echoInSteps(t *testing.T, s *site, client *http.Client) {
	reader, writer := io.Pipe()
	request, err := http.NewRequest("POST", s.url("/"), reader)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(writer, "one") }()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	go func() { _, _ = io.WriteString(writer, "two"); writer.Close() }()
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(rest) != "two" {
		t.Fatalf("%q, %v", rest, err)
	}
}

func echo(r *app.Request) app.Answer {
	return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
		return app.Then(app.Copy(w, r.Body), func(int64) app.Future[app.Done] { return app.Ready(app.Done{}) })
	}))
}

// The bound of pipelined requests stops reading, and answers that leave start it again.
func TestPipeliningBeyondTheBound(t *testing.T) {
	waiting := make(chan *app.Promise[*app.Response], 100)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		waiting <- p
		return f
	}, func(c *server.Config) { c.HTTP1.Pipelined = 4 })
	l := s.dial()
	l.say(strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 50))
	for range 50 {
		(<-waiting).Resolve(app.Text(200, "one"))
		l.hear("GET", 200, "one")
	}
}
