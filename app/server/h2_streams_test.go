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

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// noWindow is the setting of a client that accepts no content.
var noWindow = http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}

// After FIN a connection with closed windows ends: no window will open again.
func TestHTTP2FinWithClosedWindows(t *testing.T) {
	never := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/stream" {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				ctx := w.Request().Context()
				go func() {
					<-ctx.Done()
					never <- context.Cause(ctx)
				}()
				return w.WriteString(strings.Repeat("x", 1<<20))
			}))
		}
		return hello(r)
	})
	l := s.dial2(noWindow)
	l.request(1, "GET", "/", true)
	l.request(3, "GET", "/stream", true)
	l.answered(1, "200")
	l.answered(3, "200")
	l.finish()
	l.over()
	if cause := <-never; cause != app.ErrPeerGone && cause != app.ErrHalfClosed {
		t.Errorf("cause %v", cause)
	}
	eventually(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
}

// A FIN right after the first request loses neither the request nor its answer.
func TestHTTP2FinBehindThePreface(t *testing.T) {
	s := serve(t, hello)
	for range 20 {
		l := s.dial2()
		l.request(1, "GET", "/", true)
		l.finish()
		l.answer(1, "200", "Hello, World!")
		l.over()
	}
}

// A stream may be reset with any code while its response waits.
func TestHTTP2ResetOfAWaitingResponse(t *testing.T) {
	s := serve(t, hello)
	l := s.dial2(noWindow)
	stream := uint32(1)
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeCancel, http2.ErrCodeStreamClosed} {
		l.request(stream, "GET", "/", true)
		l.answered(stream, "200")
		l.must(l.framer.WriteRSTStream(stream, code))
		stream += 2
	}
	l.works()
}

// Streams whose windows stay closed are reset. The connection goes on.
func TestHTTP2ZeroWindowIsReaped(t *testing.T) {
	const soon = 100 * time.Millisecond
	for name, set := range map[string]func(*server.Config){
		"the time of HTTP/2":        func(c *server.Config) { c.HTTP2.StallTimeout = soon },
		"the time of all protocols": func(c *server.Config) { c.WriteTimeout = soon },
	} {
		t.Run(name, func(t *testing.T) { reapsZeroWindows(t, serve(t, hello, set)) })
	}
}

func reapsZeroWindows(t *testing.T, s *site) {
	l := s.dial2(noWindow)
	for stream := uint32(1); stream < 100; stream += 2 {
		l.request(stream, "GET", "/", true)
	}
	l.isReset(1, http2.ErrCodeEnhanceYourCalm)
	l.request(101, "GET", "/", true)
	l.answered(101, "200")
	l.must(l.framer.WriteWindowUpdate(101, 100))
	l.until("content", func(frame http2.Frame) bool {
		d, ok := frame.(*http2.DataFrame)
		return ok && d.StreamID == 101 && d.StreamEnded() && string(d.Data()) == "Hello, World!"
	})
}

// An incomplete header block ends the connection after HeadTimeout.
func TestHTTP2HeadTimeout(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		return never
	}, func(c *server.Config) {
		c.HeadTimeout = 100 * time.Millisecond
		c.RequestTimeout = 5 * time.Second
	})
	l := s.dial2()
	l.request(1, "GET", "/", true)
	l.works()
	l.must(l.framer.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndStream, 3, nil))
	l.until("GOAWAY", func(frame http2.Frame) bool {
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			t.Fatalf("the head had more time than an answer, %s", h.PseudoValue("status"))
		}
		g, ok := frame.(*http2.GoAwayFrame)
		return ok && g.ErrCode == http2.ErrCodeEnhanceYourCalm
	})
	l.over()
}

// A reset cancels the request of its stream, and no other.
func TestHTTP2CancelledStream(t *testing.T) {
	causes := make(chan error, 1)
	begun := make(chan *app.Promise[*app.Response], 2)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		if r.RawPath == "/cancelled" {
			ctx := r.Context()
			go func() {
				<-ctx.Done()
				causes <- context.Cause(ctx)
			}()
		}
		begun <- p
		return f
	})
	l := s.dial2()
	l.request(1, "GET", "/cancelled", true)
	l.request(3, "GET", "/", true)
	first, second := <-begun, <-begun
	l.must(l.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	if cause := <-causes; cause != app.ErrPeerGone {
		t.Errorf("cause %v", cause)
	}
	first.Resolve(app.Text(200, "nobody hears this"))
	second.Resolve(app.Text(200, "heard"))
	l.answer(3, "200", "heard")
}

// A client that expects a 100 gets it once the application reads.
func TestHTTP2ExpectContinue(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/no" {
			return app.Ready(app.Text(403, "no"))
		}
		return whole(r)
	})
	l := s.dial2()
	l.request(1, "POST", "/no", false, "expect", "100-continue")
	l.answer(1, "403", "no")
	l.request(3, "POST", "/", false, "expect", "100-continue")
	l.answered(3, "100")
	l.must(l.framer.WriteData(3, true, []byte("told")))
	l.answered(3, "200")
}

// Content after the end of the response is dropped, and a reader gets an error.
func TestHTTP2ContentBehindTheResponse(t *testing.T) {
	ends := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Then(r.Body.Read(make([]byte, 5)), func(int) app.Answer {
			r.Body.Each(make([]byte, 5), func([]byte) app.Future[app.Done] { return app.Ready(app.Done{}) }).
				Done(func(_ int64, err error) { ends <- err })
			return app.Ready(app.Text(202, "accepted"))
		})
	})
	l := s.dial2()
	l.request(1, "POST", "/", false)
	l.must(l.framer.WriteData(1, false, []byte("begin")))
	l.answer(1, "202", "accepted")
	l.must(l.framer.WriteData(1, true, []byte(" and end")))
	if err := <-ends; !errors.Is(err, app.ErrRequestDone) {
		t.Errorf("the reader got %v", err)
	}
}

// A conversation may be silent for longer than BodyTimeout.
func TestHTTP2ConversationMayBeSilent(t *testing.T) {
	s := serve(t, echo, func(c *server.Config) { c.BodyTimeout = soon })
	l := s.dial2()
	l.request(1, "POST", "/", false)
	l.answered(1, "200")
	l.request(3, "POST", "/", false, "content-length", "5")
	l.answered(3, "200")
	l.isReset(3, http2.ErrCodeCancel) // it was due after the other
	l.must(l.framer.WriteData(1, true, []byte("still here")))
	l.until("echo", func(frame http2.Frame) bool {
		d, ok := frame.(*http2.DataFrame)
		return ok && d.StreamID == 1 && string(d.Data()) == "still here"
	})
}

// An idle connection is drained, whatever it sends besides requests.
func TestHTTP2IdleTimeout(t *testing.T) {
	s := serve(t, hello, func(c *server.Config) {
		c.IdleTimeout = 200 * time.Millisecond
		c.HTTP2.DrainTimeout = 200 * time.Millisecond
	})
	l := s.dial2()
	l.request(1, "GET", "/", true)
	l.answer(1, "200", "Hello, World!")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = l.framer.WritePing(false, [8]byte{})
			}
		}
	}()
	for {
		frame, err := l.framer.ReadFrame()
		if err != nil {
			if err != io.EOF && !strings.Contains(err.Error(), "reset") {
				t.Fatal(err)
			}
			break
		}
		_ = frame
	}
	_ = l.Close()
	eventually(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
	if n := s.Counts().Refused[server.IdleTimeout]; n != 1 {
		t.Errorf("%d timeouts, want 1", n)
	}
}

// PINGs do not keep a connection whose peer reads nothing.
func TestHTTP2PingsDoNotCountAsReading(t *testing.T) {
	s := serve(t, endless, func(c *server.Config) { c.WriteTimeout = soon })
	l := s.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	l.must(l.framer.WriteWindowUpdate(0, 1<<30))
	l.request(1, "GET", "/", true)
	tick := time.NewTicker(soon / 5)
	defer tick.Stop()
	eventually(t, "the peer is gone", func() bool {
		select {
		case <-tick.C:
			_ = l.framer.WritePing(false, [8]byte{})
		default:
		}
		return s.Stats().Connections == 0 && s.Counts().Refused[server.WriteTimeout] > 0
	})
}

// A loop that was idle uses the present time, not that of its last turn, for timeouts and Date.
func TestIdleLoopKnowsTheTime(t *testing.T) {
	late := make(chan *app.Promise[*app.Response], 2)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		late <- p
		return f
	}, func(c *server.Config) {
		c.Loops = 1
		c.HTTP2.SettingsTimeout = time.Second
		c.HTTP2.StallTimeout = time.Second
	})
	blocked := s.dial2(noWindow)
	blocked.request(1, "GET", "/late", true)
	blocked.works()
	plain := s.dial()
	plain.say(get("/late"))
	first, second := <-late, <-late
	<-time.After(1200 * time.Millisecond)
	now := time.Now()
	first.Resolve(app.Text(200, "late"))
	second.Resolve(app.Text(200, "late"))
	date, err := http.ParseTime(plain.hear("GET", 200, "late").Header.Get("Date"))
	if err != nil || date.Before(now.Truncate(time.Second)) {
		t.Errorf("the answer is of %v, %v, and came after %v", date, err, now)
	}
	blocked.answered(1, "200")
	blocked.must(blocked.framer.WriteWindowUpdate(1, 100))
	blocked.until("content", func(frame http2.Frame) bool {
		if r, ok := frame.(*http2.RSTStreamFrame); ok {
			t.Fatalf("given up with %v", r.ErrCode)
		}
		d, ok := frame.(*http2.DataFrame)
		return ok && d.StreamID == 1
	})

	<-time.After(1200 * time.Millisecond)
	fresh := s.dial2()
	fresh.request(1, "GET", "/", true)
	fresh.answer(1, "200", "Hello, World!")
	fresh.works()
}

// A frame as large as the settings allow is accepted.
func TestHTTP2LargeFrames(t *testing.T) {
	s := serve(t, hello, func(c *server.Config) {
		c.HTTP2.MaxFrameSize = 4 << 20
		c.HTTP2.MaxHeaderListSize = 8 << 20
	})
	l := s.dial2()
	l.request(1, "GET", "/", true, "x", strings.Repeat("x", 3<<20))
	l.answer(1, "200", "Hello, World!")
}

// A reset while a connection moves to its loop does no harm.
func TestHTTP2ResetWhileSettling(t *testing.T) {
	s := serve(t, hello)
	for range 300 {
		l := s.dial2()
		l.reset()
	}
	l := s.dial2()
	l.request(1, "GET", "/", true)
	l.answer(1, "200", "Hello, World!")
}
