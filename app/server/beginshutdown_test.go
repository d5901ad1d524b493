//go:build linux

package server_test

import (
	"context"
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
)

// firstGoaway is the last stream of a GOAWAY that refuses nothing (RFC 9113 section 6.8).
const firstGoaway = 1<<31 - 1

// delayed is one loop with a drain delay that the test ends.
func delayed(c *server.Config) { c.DrainDelay, c.Loops = time.Hour, 1 }

// announce begins the shutdown of a site and waits until its loop knows. end ends the delay; over reports the result of
// the shutdown.
func (s *site) announce() (end func(), over <-chan error) {
	s.t.Helper()
	told := s.dial2()
	told.request(1, "GET", "/", true)
	told.answered(1, "200")
	delay, end := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		s.BeginShutdown(delay)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		result <- s.Shutdown(ctx)
	}()
	if last := told.leaves(http2.ErrCodeNo); last != firstGoaway {
		s.t.Errorf("an idle connection is told the last stream %d at first", last)
	}
	told.until("acknowledged PING", func(f http2.Frame) bool {
		p, ok := f.(*http2.PingFrame)
		if ok && !p.IsAck() {
			told.must(told.framer.WritePing(true, p.Data))
		}
		return ok
	})
	told.over()
	if !s.Draining() {
		s.t.Error("it does not report that it drains")
	}
	return end, result
}

// finish ends the delay and wants the server to stop.
func finish(t *testing.T, end func(), over <-chan error) {
	t.Helper()
	end()
	if err := next(t, over); err != nil {
		t.Error(err)
	}
}

// Until the drain, HTTP/1 clients are answered, whether they come or were there, each for the last time.
func TestDrainDelayServesHTTP1(t *testing.T) {
	for name, configure := range map[string]func(*server.Config){
		"cleartext": func(*server.Config) {},
		"TLS":       withIdentity(issue(t, "a.test", nil)),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, hello, delayed, func(c *server.Config) {
				configure(c)
				c.Listeners = append(c.Listeners, reactor.ListenerConfig{Address: "127.0.0.1:0"})
			})
			clear := *s
			clear.addr = s.Addrs()[1].String()
			dial := s.dial
			if name == "TLS" {
				dial = func() *line { return s.dialTLS(anyone()) }
			}
			kept := dial()
			kept.say(get("/"))
			if kept.hear("GET", 200, "Hello, World!").Close {
				t.Error("Connection: close before the shutdown")
			}
			end, over := clear.announce()
			for _, l := range []*line{kept, dial(), dial()} {
				l.say(get("/"))
				if !l.hear("GET", 200, "Hello, World!").Close {
					t.Error("no Connection: close")
				}
				l.end()
				l.close()
			}
			finish(t, end, over)
		})
	}
}

// Of pipelined requests all are answered; the last response has Connection: close. HTTP/1.0 gets the same.
func TestDrainDelayAnswersPipelinedRequests(t *testing.T) {
	s := serve(t, hello, delayed)
	end, over := s.announce()
	l := s.dial()
	l.say(get("/") + get("/") + get("/"))
	for i := range 3 {
		if closes := l.hear("GET", 200, "Hello, World!").Close; closes != (i == 2) {
			t.Errorf("response %d: Connection: close is %v", i, closes)
		}
	}
	l.end()
	old := s.dial()
	old.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if !old.hear("GET", 200, "Hello, World!").Close {
		t.Error("HTTP/1.0: no Connection: close")
	}
	old.end()
	finish(t, end, over)
}

// A request whose response is under way when the shutdown begins does not end the connection unannounced: the next one
// does, with Connection: close.
func TestDrainDelayAnnouncesTheEndOfAConnection(t *testing.T) {
	more := make(chan *app.Promise[app.Done], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/" {
			return hello(r)
		}
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			p, f := app.Promised[app.Done](w.Request())
			return app.Then(w.WriteString("one"), func(app.Done) app.Future[app.Done] {
				more <- p
				return app.Then(f, func(app.Done) app.Future[app.Done] { return w.WriteString("two") })
			})
		}))
	}, delayed)
	l := s.dial()
	l.say(get("/stream"))
	response := l.head("GET", 200)
	p := next(t, more)
	end, over := s.announce()
	p.Resolve(app.Done{})
	if content, err := io.ReadAll(response.Body); string(content) != "onetwo" || err != nil {
		t.Errorf("heard %q, %v", content, err)
	}
	l.say(get("/"))
	if !l.hear("GET", 200, "Hello, World!").Close {
		t.Error("no Connection: close")
	}
	l.end()
	finish(t, end, over)
}

// A request whose content is still arriving is answered.
func TestDrainDelayReadsContent(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if r.Method == "GET" {
			return hello(r)
		}
		return app.Map(r.Body.ReadAll(1<<20), func(content []byte) (*app.Response, error) {
			return app.Text(200, string(content)), nil
		})
	}, delayed)
	l := s.dial()
	l.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\none")
	end, over := s.announce()
	l.say("two")
	if !l.hear("POST", 200, "onetwo").Close {
		t.Error("no Connection: close")
	}
	l.end()
	finish(t, end, over)
}

// HTTP/2 clients that come are told to leave after their first response; what they have sent before they know is answered.
func TestDrainDelayServesHTTP2(t *testing.T) {
	s := serve(t, hello, delayed)
	busy := s.dial2()
	busy.request(1, "GET", "/", true)
	busy.answered(1, "200")
	end, over := s.announce()
	if last := busy.leaves(http2.ErrCodeNo); last != firstGoaway {
		t.Errorf("at first the last stream is %d", last)
	}
	busy.request(3, "GET", "/", true) // the PING is not acknowledged yet
	busy.answered(3, "200")
	newcomer := s.dial2()
	newcomer.request(1, "GET", "/", true)
	newcomer.request(3, "GET", "/", true)
	newcomer.answer(1, "200", "Hello, World!")
	newcomer.until("answer and GOAWAY", func() func(http2.Frame) bool {
		answered, told := false, false
		return func(f http2.Frame) bool {
			switch f := f.(type) {
			case *http2.DataFrame:
				answered = answered || f.StreamID == 3 && f.StreamEnded()
			case *http2.GoAwayFrame:
				told = told || f.ErrCode == http2.ErrCodeNo && f.LastStreamID == firstGoaway
			}
			return answered && told
		}
	}())
	newcomer.over()
	silent := s.dial2()
	silent.works()
	finish(t, end, over)
	if last := silent.leaves(http2.ErrCodeNo); last != firstGoaway {
		t.Errorf("a client without a request is told the last stream %d at first", last)
	}
}

// Event streams and WebSockets go on until the drain, also those that begin in the delay.
func TestDrainDelaySparesStreams(t *testing.T) {
	ticks := make(chan *events.Stream, 4)
	socket := at(echoes())
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/socket":
			return socket(r)
		case "/":
			return hello(r)
		}
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			ticks <- s
			return app.Map(s.Request().Draining(), func(app.Done) (app.Done, error) { return app.Done{}, app.ErrDraining })
		}))
	}, delayed)
	before, _ := upgradeHTTP1(s, "/socket")
	before2, _ := connectHTTP2(s, "/socket")
	listen := func() (*line, io.Reader) {
		l := s.dial()
		l.say(get("/events"))
		return l, l.head("GET", 200).Body
	}
	_, old := listen()
	oldStream := next(t, ticks)
	end, over := s.announce()
	after, _ := upgradeHTTP1(s, "/socket")
	_, young := listen()
	youngStream := next(t, ticks)
	for _, peer := range []*speaker{before, before2, after} {
		peer.say(text("hello"))
		peer.hear(text("hello"))
	}
	for stream, reader := range map[*events.Stream]io.Reader{oldStream: old, youngStream: young} {
		stream.Request().Loop().Post(func() { stream.Send(events.Event{Data: "tick"}) })
		tick := make([]byte, len("data: tick\n\n"))
		if _, err := io.ReadFull(reader, tick); string(tick) != "data: tick\n\n" {
			t.Errorf("heard %q, %v", tick, err)
		}
	}
	end()
	for _, peer := range []*speaker{before, before2, after} {
		peer.hear(closing(websocket.CloseGoingAway, ""))
	}
	for _, reader := range []io.Reader{old, young} {
		if rest, err := io.ReadAll(reader); len(rest) > 0 || err != nil {
			t.Errorf("an event stream ends with %q, %v", rest, err)
		}
	}
	if err := next(t, over); err != nil {
		t.Error(err)
	}
}

// The delay ends by itself, and does not exist before the start.
func TestDrainDelayEnds(t *testing.T) {
	const delay = 100 * time.Millisecond
	called := 0
	s := serve(t, hello, func(c *server.Config) {
		c.DrainDelay = delay
		c.Hooks.Drain = func() { called++ }
	})
	begun := time.Now()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took < delay {
		t.Errorf("the shutdown took %v", took)
	}
	if s.BeginShutdown(context.Background()); called != 1 {
		t.Errorf("Hooks.Drain was called %d times", called)
	}
	config := runnable(func() {})
	config.DrainDelay = time.Hour
	config.Hooks.Drain = func() { t.Error("Hooks.Drain of a server without a start") }
	unstarted, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := unstarted.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// Run: ShutdownTimeout begins after the delay. A signal ends the delay, and the one after that cuts.
func TestRunWithADrainDelay(t *testing.T) {
	t.Run("the timeout begins after it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		config := runnable(cancel)
		config.DrainDelay, config.ShutdownTimeout = 2*time.Second, time.Second
		if err := server.Run(ctx, config); err != nil {
			t.Error(err)
		}
	})
	t.Run("signals", func(t *testing.T) {
		config := runnable(func() {})
		config.StopOnSignal, config.DrainDelay, config.ShutdownTimeout = true, time.Hour, -1
		err := busy(t, config, func(_ context.CancelFunc, draining <-chan struct{}) {
			raise(t) // begins the delay
			select {
			case <-draining:
				t.Error("it drains at the first signal")
			case <-time.After(100 * time.Millisecond):
			}
			raise(t) // ends it
			<-draining
			raise(t) // cuts
		})
		if err == nil {
			t.Error("nothing was cut")
		}
	})
}
