//go:build linux

package server_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/server"
)

// ticking answers with an event, and another an hour later; the channel tells what its producer ends with.
func ticking() (app.Handler, <-chan error) {
	ends := make(chan error, 4)
	return func(*app.Request) app.Answer {
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			f := app.While(func() app.Future[bool] {
				return app.Then(s.Send(events.Event{Data: "tick"}), func(app.Done) app.Future[bool] {
					return app.Map(app.Sleep(s.Request(), time.Hour), func(app.Done) (bool, error) { return true, nil })
				})
			})
			f.Done(func(_ app.Done, err error) { ends <- err })
			return f
		}))
	}, ends
}

// Event streams, which have no end of their own, get one when the server drains: their producers are told, and
// the peer sees that the response is complete.
func TestShutdownEndsEventStreams(t *testing.T) {
	handler, ends := ticking()
	s := serve(t, handler)
	l, l2 := s.dial(), s.dial2()
	l.say(get("/"))
	response := l.head("GET", 200)
	first := make([]byte, len("data: tick\n\n"))
	if _, err := io.ReadFull(response.Body, first); err != nil {
		t.Fatal(err)
	}
	l2.request(1, "GET", "/", true)
	l2.headers(1)
	l2.frame()

	over := s.stop(context.Background())
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || err != nil {
		t.Errorf("over HTTP/1.1 the response ends with %q, %v", rest, err)
	}
	l.end()
	l.close()
	if rest := l2.contents(1)[1]; rest != "" {
		t.Errorf("over HTTP/2 the response ends with %q", rest)
	}
	l2.close()
	for range 2 {
		if err := <-ends; !errors.Is(err, app.ErrDraining) {
			t.Errorf("a producer has ended with %v", err)
		}
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	if n := s.logs.FilterMessage("request failed").Len(); n > 0 {
		t.Errorf("%d requests are said to have failed", n)
	}
}

// They have it likewise when their connection has reached its age, lest the end of the grace cuts them.
func TestMaxAgeEndsEventStreams(t *testing.T) {
	handler, ends := ticking()
	s := serve(t, handler, func(c *server.Config) {
		c.HTTP2.MaxAge = 50 * time.Millisecond
		c.HTTP2.MaxAgeGrace = patience
		c.HTTP2.DrainTimeout = patience
	})
	early, late := s.dial2(), s.dial2()
	early.request(1, "GET", "/", true)
	// Behind the notice new streams are taken still, and told at once.
	late.leaves(http2.ErrCodeNo)
	late.request(1, "GET", "/", true)
	for _, l := range []*line2{early, late} {
		// On a crowded machine the early one may be late, too.
		if whole := l.contents(1)[1]; whole != "" && (l == late || whole != "data: tick\n\n") {
			t.Errorf("the response is %q", whole)
		}
		l.close()
		if err := <-ends; !errors.Is(err, app.ErrDraining) {
			t.Errorf("a producer has ended with %v", err)
		}
	}
}

// What a peer that reads slowly has not taken yet is sent before the end, compressed or not.
func TestShutdownSendsEventsThatWait(t *testing.T) {
	const count, size = 64, 16 << 10
	const whole = count * (size + len("data: \n\n"))
	text := strings.Repeat("x", size)
	queued := make(chan struct{}, 2)
	var handler app.Handler = func(*app.Request) app.Answer {
		return app.Ready(events.StreamedWith(events.Options{QueueBytes: whole}, func(s *events.Stream) app.Future[app.Done] {
			for range count {
				if err := s.Push(events.Event{Data: text}); err != nil {
					t.Error(err)
				}
			}
			queued <- struct{}{}
			return s.Closed()
		}))
	}
	s, compressed := serve(t, handler), serve(t, compress.New(compress.Options{})(handler))
	l2 := s.dial2()
	l2.request(1, "GET", "/", true)
	response, err := compressed.client().Get(compressed.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	<-queued
	<-queued
	over, overToo := s.stop(context.Background()), compressed.stop(context.Background())
	// So far its window has no room for more than a part.
	heard := 0
	l2.until("GOAWAY", func(f http2.Frame) bool {
		if d, ok := f.(*http2.DataFrame); ok {
			heard += len(d.Data())
		}
		_, ok := f.(*http2.GoAwayFrame)
		return ok
	})
	l2.must(l2.framer.WriteWindowUpdate(0, uint32(whole)))
	l2.must(l2.framer.WriteWindowUpdate(1, uint32(whole)))
	l2.until("the end of the stream", func(f http2.Frame) bool {
		d, ok := f.(*http2.DataFrame)
		if ok {
			heard += len(d.Data())
		}
		return ok && d.StreamEnded()
	})
	if heard != whole {
		t.Errorf("over HTTP/2 %d bytes are heard, want %d", heard, whole)
	}
	if content, err := io.ReadAll(response.Body); len(content) != whole || err != nil || !response.Uncompressed {
		t.Errorf("heard %d bytes, %v", len(content), err)
	}
	l2.close()
	for _, outcome := range []<-chan error{over, overToo} {
		if err := <-outcome; err != nil {
			t.Error(err)
		}
	}
}

// An event stream that begins while the server drains has its head and its end, so that a browser goes
// elsewhere; and whoever asks is told at once.
func TestEventsWhileDraining(t *testing.T) {
	handler, ends := ticking()
	later := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/later":
			p, f := app.Promised[*app.Response](r)
			later <- p
			return f
		case "/asks":
			return app.Map(r.Draining(), func(app.Done) (*app.Response, error) { return app.Text(200, "bye"), nil })
		}
		return handler(r)
	})
	l2 := s.dial2()
	l2.request(1, "GET", "/later", true)
	p := <-later
	over := s.stop(context.Background())
	l2.goaway()
	l2.request(3, "GET", "/events", true)
	l2.request(5, "GET", "/asks", true)
	if got := l2.contents(2); got[3] != "" || got[5] != "bye" {
		t.Errorf("heard %v", got)
	}
	if err := <-ends; !errors.Is(err, app.ErrDraining) {
		t.Errorf("the producer has ended with %v", err)
	}
	p.Resolve(app.Text(200, "late"))
	if got := l2.contents(1)[1]; got != "late" {
		t.Errorf("heard %q", got)
	}
	l2.close()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// Whoever waits for long may ask, in both styles, and is told without being cut.
func TestRequestsLearnOfTheDrain(t *testing.T) {
	poll := func(r *app.Request) app.Answer {
		return app.Map(r.Draining(), func(app.Done) (*app.Response, error) { return app.Text(200, "bye"), r.Context().Err() })
	}
	stream := func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(r.Draining(), func(app.Done) app.Future[app.Done] { return w.WriteString("bye") })
		}))
	}
	blocks := app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		if err := w.Flush(); err != nil {
			return err
		}
		if _, err := app.Await(r, r.Draining()); err != nil {
			return err
		}
		_, err := io.WriteString(w, "bye")
		return err
	})
	begun := make(chan struct{}, 6)
	s := serve(t, func(r *app.Request) app.Answer {
		handler := map[string]app.Handler{"/poll": poll, "/stream": stream, "/blocks": blocks}[r.RawPath]
		f := handler(r)
		begun <- struct{}{}
		return f
	}, func(c *server.Config) { c.RequestTimeout = -1 })
	var lines []*line
	l2 := s.dial2()
	for i, path := range []string{"/poll", "/stream", "/blocks"} {
		l := s.dial()
		l.say(get(path))
		lines = append(lines, l)
		l2.request(uint32(2*i+1), "GET", path, true)
	}
	for range 6 {
		<-begun
	}
	over := s.stop(context.Background())
	for _, l := range lines {
		l.hear("GET", 200, "bye")
		l.close()
	}
	for stream, got := range l2.contents(3) {
		if got != "bye" {
			t.Errorf("stream %d: heard %q", stream, got)
		}
	}
	l2.close()
	if err := <-over; err != nil {
		t.Error(err)
	}
}
