//go:build linux

package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
)

// onDemand answers /later when the test says so, and everything else at once.
func onDemand() (app.Handler, <-chan *app.Promise[*app.Response]) {
	later := make(chan *app.Promise[*app.Response], 4)
	return func(r *app.Request) app.Future[*app.Response] {
		if r.RawPath != "/later" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		later <- p
		return f
	}, later
}

// stop begins to shut a site down; the channel tells the outcome.
func (s *site) stop(ctx context.Context) <-chan error {
	over := make(chan error, 1)
	go func() { over <- s.Shutdown(ctx) }()
	return over
}

// What is under way at a shutdown is answered, and the answer says that it is the last; what is idle is
// closed; nobody new is let in.
func TestShutdownAnswersWhatHasCome(t *testing.T) {
	handler, later := onDemand()
	s := serve(t, handler)
	busy, idle, silent := s.dial(), s.dial(), s.dial()
	busy2, idle2 := s.dial2(), s.dial2()
	busy.say(get("/later"))
	busy2.request(1, "GET", "/later", true)
	idle.say(get("/"))
	idle.hear("GET", 200, "Hello, World!")
	idle2.request(1, "GET", "/", true)
	idle2.answer(1, "200", "Hello, World!")
	first, second := <-later, <-later

	over := s.stop(context.Background())
	for _, l := range []*line{idle, silent} {
		l.end()
		l.close()
	}
	idle2.goaway()
	idle2.close()
	// RFC 9113 section 6.8: first no new stream is wanted, then the last one is named.
	busy2.goaway()
	if !s.Draining() {
		t.Error("it does not say that it drains")
	}
	if c, err := s.connect(); err == nil {
		_ = c.SetDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("a newcomer heard %d bytes", n)
		}
		c.Close()
	}
	select {
	case err := <-over:
		t.Fatalf("it was over before the last answer: %v", err)
	default:
	}
	first.Resolve(app.Text(200, "late"))
	second.Resolve(app.Text(200, "late"))
	if !busy.hear("GET", 200, "late").Close {
		t.Error("the last answer does not say so")
	}
	busy.end()
	busy.close()
	if got := busy2.contents(1); got[1] != "late" {
		t.Errorf("over HTTP/2 %v", got)
	}
	busy2.close()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// goaway wants the next frame that counts to be a GOAWAY without fault.
func (l *line2) goaway() {
	l.t.Helper()
	heard := l.frame()
	if f, ok := heard.(*http2.GoAwayFrame); !ok || f.ErrCode != http2.ErrCodeNo {
		l.t.Fatalf("heard %v, want GOAWAY", heard)
	}
}

// What is still under way when the time is up is cut: its contexts end, and Shutdown says so.
func TestShutdownCutsAtItsDeadline(t *testing.T) {
	causes := make(chan error, 2)
	begun := make(chan struct{}, 2)
	s := serve(t, func(r *app.Request) app.Future[*app.Response] {
		_, f := app.Promised[*app.Response](r)
		ctx := r.Context()
		begun <- struct{}{}
		go func() {
			<-ctx.Done()
			causes <- context.Cause(ctx)
		}()
		return f
	})
	l, l2 := s.dial(), s.dial2()
	l.say(get("/"))
	l2.request(1, "GET", "/", true)
	<-begun
	<-begun
	ctx, cut := context.WithCancel(context.Background())
	over := s.stop(ctx)
	l2.goaway()
	cut()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown gives %v", err)
	}
	for range 2 {
		if cause := <-causes; !errors.Is(cause, app.ErrPeerGone) {
			t.Errorf("cause %v", cause)
		}
	}
	l.end()
	// The test's own clean-up gets the same result.
	s.failed = true
}

// A stream that is under way is sent to its end.
func TestShutdownWaitsForStreams(t *testing.T) {
	more := make(chan *app.Promise[app.Done], 2)
	s := serve(t, func(*app.Request) app.Future[*app.Response] {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			p, f := app.Promised[app.Done](w.Request())
			more <- p
			return app.Then(w.WriteString("one"), func(app.Done) app.Future[app.Done] {
				return app.Then(f, func(app.Done) app.Future[app.Done] { return w.WriteString("two") })
			})
		}))
	})
	var answers sync.WaitGroup
	for _, client := range []*http.Client{s.client(), s.client2()} {
		response, err := client.Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		answers.Go(func() {
			defer response.Body.Close()
			if body, err := io.ReadAll(response.Body); string(body) != "onetwo" || err != nil {
				t.Errorf("heard %q, %v", body, err)
			}
		})
	}
	over := s.stop(context.Background())
	for range 2 {
		(<-more).Resolve(app.Done{})
	}
	answers.Wait()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// Hooks run in order: once for the process, once for each loop, the last request before any that stops.
func TestHooksRunInOrder(t *testing.T) {
	var mu sync.Mutex
	var said []string
	say := func(words ...string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, strings.Join(words, " "))
	}
	hooks := server.Hooks{
		Start: func(context.Context) error { say("start"); return nil },
		LoopStart: func(l app.Loop) (any, error) {
			say("loop", strconv.Itoa(l.Index()))
			return "state" + strconv.Itoa(l.Index()), nil
		},
		LoopStop: func(l app.Loop) {
			say("end of loop", strconv.Itoa(l.Index()))
			if l.State() != "state"+strconv.Itoa(l.Index()) {
				t.Errorf("state %v", l.State())
			}
		},
		Stop: func(context.Context) error { say("stop"); return errors.New("of the hook") },
	}
	began := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Future[*app.Response] {
		p, f := app.Promised[*app.Response](r)
		began <- p
		state := r.Loop().State()
		return app.Finally(f, func() { say("request with", state.(string)[:5]) })
	}, func(c *server.Config) { c.Hooks = hooks })
	s.failed = true
	l := s.dial()
	l.say(get("/"))
	p := <-began
	over := s.stop(context.Background())
	eventually(t, "it drains", s.Draining)
	p.Resolve(app.Text(200, "done"))
	l.hear("GET", 200, "done")
	l.close()
	if err := <-over; err == nil || !strings.Contains(err.Error(), "of the hook") {
		t.Errorf("Shutdown gives %v", err)
	}
	slices.Sort(said[4:6])
	want := []string{"start", "loop 0", "loop 1", "request with state", "end of loop 0", "end of loop 1", "stop"}
	if !slices.Equal(said, want) {
		t.Errorf("in the order %q, want %q", said, want)
	}
}

// A start-up hook that fails stops the start with its error, and nothing that did not start is stopped.
func TestStartUpHookFails(t *testing.T) {
	failure := errors.New("no database")
	for name, c := range map[string]struct {
		hooks func(say func(string)) server.Hooks
		want  []string
	}{
		"process": {func(say func(string)) server.Hooks {
			return server.Hooks{
				Start:    func(context.Context) error { return failure },
				LoopStop: func(app.Loop) { say("end of loop") },
				Stop:     func(context.Context) error { say("stop"); return nil },
			}
		}, nil},
		"second loop": {func(say func(string)) server.Hooks {
			return server.Hooks{
				LoopStart: func(l app.Loop) (any, error) {
					if l.Index() == 1 {
						return nil, failure
					}
					return nil, nil
				},
				LoopStop: func(l app.Loop) { say("end of loop " + strconv.Itoa(l.Index())) },
				Stop:     func(context.Context) error { say("stop"); return nil },
			}
		}, []string{"end of loop 0", "stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			s, err := server.New(server.Config{
				Handler: hello, Loops: 2, Logger: zap.NewNop(), Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
				Hooks: c.hooks(func(words string) { said = append(said, words) }),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start(context.Background()); !errors.Is(err, failure) {
				t.Errorf("Start gives %v", err)
			}
			if err := s.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown gives %v", err)
			}
			if !slices.Equal(said, c.want) {
				t.Errorf("hooks: %q, want %q", said, c.want)
			}
		})
	}
}

// /readyz turns 503 with the shutdown, for those who are still connected.
func TestReadyzWhileDraining(t *testing.T) {
	var draining atomic.Pointer[server.Server]
	handler, err := target.New(target.Config{Draining: func() bool { return draining.Load().Draining() }})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, handler)
	draining.Store(s.Server)
	l2 := s.dial2()
	l2.request(1, "GET", "/readyz", true)
	l2.answer(1, "200", "ok\n")
	l2.request(3, "GET", "/drip?bytes=2&every=1h", true)
	l2.headers(3)
	l2.frame()
	ctx, cut := context.WithCancel(context.Background())
	over := s.stop(ctx)
	l2.goaway()
	l2.request(5, "GET", "/readyz", true)
	l2.answer(5, "503", "draining\n")
	cut()
	<-over
	s.failed = true
}
