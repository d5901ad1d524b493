//go:build linux

package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// both runs a test with a client of each protocol.
func both(t *testing.T, s *site, test func(t *testing.T, client *http.Client)) {
	t.Run("HTTP/1.1", func(t *testing.T) { test(t, s.in(t).client()) })
	t.Run("HTTP/2", func(t *testing.T) { test(t, s.in(t).client2()) })
}

// ask wants that answer.
func ask(t *testing.T, client *http.Client, url string, status int, content string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	if got := readAll(response); response.StatusCode != status || got != content {
		t.Errorf("%d %q, want %d %q", response.StatusCode, got, status, content)
	}
}

// HTTP/2 answers come as they are ready.
func TestAnswersOverHTTP2ComeAsTheyAreReady(t *testing.T) {
	handler, later := onDemand()
	s := serve(t, handler)
	l := s.dial2()
	l.request(1, "GET", "/later", true)
	l.request(3, "GET", "/", true)
	l.answer(3, "200", "Hello, World!")
	(<-later).Resolve(app.Text(200, "late"))
	l.answer(1, "200", "late")
}

// A promise may be resolved from any goroutine; the first of sixty-four wins, and everything that continues it
// runs on the request's own loop, one after another.
func TestResolvedFromManyGoroutines(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		loop := r.Loop().Index()
		steps := 0 // tied to the connection, and so without a lock
		var fs []app.Future[int]
		for i := range 64 {
			p, f := app.Promised[int](r)
			var wins atomic.Int64
			for range 4 {
				go func() {
					if p.Resolve(i) && wins.Add(1) > 1 {
						panic("resolved twice")
					}
				}()
			}
			fs = append(fs, app.Map(f, func(n int) (int, error) {
				steps++
				if r.Loop().Index() != loop {
					return 0, errors.New("on another loop")
				}
				return n, nil
			}))
		}
		return app.Map(app.All(fs...), func(all []int) (*app.Response, error) {
			sum := 0
			for _, n := range all {
				sum += n
			}
			return app.Text(200, fmt.Sprint(sum, " ", steps)), nil
		})
	})
	both(t, s, func(t *testing.T, client *http.Client) {
		var clients sync.WaitGroup
		for range 16 {
			clients.Go(func() { ask(t, client, s.url("/"), 200, "2016 64") })
		}
		clients.Wait()
	})
}

// Continuations run on the loop that runs the handler: they see what it wrote without synchronisation, in the
// goroutine of that loop.
func TestContinuationsRunOnTheRequestsOwnLoop(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		here := goroutine()
		p, f := app.Promised[int](r)
		go p.Resolve(1)
		slept := app.Then(f, func(int) app.Future[app.Done] { return app.Sleep(r, 1) })
		offloaded := app.Then(slept, func(app.Done) app.Future[string] {
			return app.Offload(r, func(context.Context) (string, error) { return goroutine(), nil })
		})
		return app.Map(offloaded, func(there string) (*app.Response, error) {
			if there == here || goroutine() != here {
				return nil, fmt.Errorf("handler in %s, work in %s, continuation in %s", here, there, goroutine())
			}
			return app.Text(200, "own"), nil
		})
	})
	both(t, s, func(t *testing.T, client *http.Client) {
		for range 20 {
			ask(t, client, s.url("/"), 200, "own")
		}
	})
}

// goroutine is the number of the calling one.
func goroutine() string {
	buf := make([]byte, 64)
	return strings.Fields(string(buf[:runtime.Stack(buf, false)]))[1]
}

// Panics become 500 and a line with the stack, wherever user code runs, and nothing else.
func TestPanicsAreContained(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/handler":
			panic("of the application")
		case "/continuation":
			p, f := app.Promised[int](r)
			go p.Resolve(1)
			return app.Then(f, func(int) app.Answer { panic("of the application") })
		case "/offload":
			return app.Offload(r, func(context.Context) (*app.Response, error) { panic("of the application") })
		case "/blocking":
			return app.Blocking(func(*app.ResponseWriter, *app.Request) error { panic("of the application") })(r)
		case "/task":
			r.Loop().Post(func() { panic("of the application") })
		}
		return hello(r)
	})
	both(t, s, func(t *testing.T, client *http.Client) {
		for _, path := range []string{"/handler", "/continuation", "/offload", "/blocking"} {
			ask(t, client, s.url(path), 500, "Internal Server Error\n")
		}
		ask(t, client, s.url("/task"), 200, "Hello, World!")
		ask(t, client, s.url("/"), 200, "Hello, World!")
	})
	panics := func() int { return s.logs.FilterMessage("panic in the application").Len() }
	eventually(t, "all panics are logged", func() bool { return panics() >= 10 })
	if n := s.logs.Len(); n != 10 {
		t.Errorf("%d lines in the log", n)
	}
	for _, entry := range s.logs.All() {
		if stack, _ := entry.ContextMap()["stack"].(string); !strings.Contains(stack, "promises_test.go") {
			t.Errorf("no stack in %v", entry.ContextMap())
		}
	}
	if n := s.Counts().Panics; n != 10 {
		t.Errorf("%d panics counted", n)
	}
}

// A peer that goes ends the contexts of its requests, of all streams, and what is resolved later is inert.
func TestResultsForNobodyAreInert(t *testing.T) {
	type held struct {
		p   *app.Promise[*app.Response]
		ctx context.Context
	}
	came := make(chan held, 10)
	closed := make(chan struct{}, 10)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		came <- held{p, r.Context()}
		return f
	})
	l, l2, cancelled := s.dial(), s.dial2(), s.dial2()
	l.say(get("/"))
	l2.request(1, "GET", "/", true)
	l2.request(3, "GET", "/", true)
	cancelled.request(1, "GET", "/", true)
	var all []held
	for range 4 {
		all = append(all, <-came)
	}
	l.reset()
	l2.reset()
	cancelled.must(cancelled.framer.WriteRSTStream(1, 8))
	for _, h := range all {
		<-h.ctx.Done()
		if cause := context.Cause(h.ctx); !errors.Is(cause, app.ErrPeerGone) && !errors.Is(cause, app.ErrHalfClosed) {
			t.Errorf("cause %v", cause)
		}
		if !h.p.Resolve(&app.Response{Status: 200, Content: &app.Stream{Size: -1,
			Produce: func(*app.Writer) app.Future[app.Done] { panic("produced for nobody") },
			OnClose: func() { closed <- struct{}{} },
		}}) {
			t.Error("the first result counts for none")
		}
		if h.p.Resolve(app.Text(200, "again")) {
			t.Error("the second result counts for the first")
		}
	}
	for range all {
		<-closed
	}
	cancelled.request(3, "GET", "/", true)
	(<-came).p.Resolve(app.Text(200, "alive"))
	cancelled.answer(3, "200", "alive")
	if n := s.logs.Len(); n > 0 {
		t.Errorf("logged %v", s.logs.All())
	}
}

// The strings of a request stay what they are, whatever the connection, its loop and the collector do next:
// after a million requests more (fewer in short runs and with the race detector).
func TestStringsStayAfterAMillionRequests(t *testing.T) {
	t.Parallel()
	requests := 1_000_000
	if raceEnabled || testing.Short() {
		requests = 50_000
	}
	kept := make(chan *app.Request, 2)
	response := app.Text(200, "ok")
	s := serve(t, func(r *app.Request) app.Answer {
		if r.Fields.Has("Keep") {
			kept <- r
		}
		return app.Ready(response)
	}, func(c *server.Config) { c.HTTP1.Pipelined = 200 })
	l, l2 := s.dial(), s.dial2()
	l.say(get("/path/of/the/first?query=1", "Keep: this value", "Accept: */*"))
	l.hear("GET", 200, "ok")
	first := <-kept
	l2.request(1, "GET", "/path/of/the/first?query=1", true, "keep", "this value", "accept", "*/*")
	l2.answer(1, "200", "ok")
	second := <-kept

	const batch = 200
	for i := range requests / batch {
		_ = l.SetDeadline(time.Now().Add(patience))
		l.say(strings.Repeat(get("/"+strconv.Itoa(i*1000003), "Other: "+strconv.Itoa(i)), batch))
		for range batch {
			if _, err := l.r.Discard(len(okAnswer)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range requests / 20 / batch {
		_ = l2.SetDeadline(time.Now().Add(patience))
		for j := range batch {
			l2.request(uint32(3+2*(i*batch+j)), "GET", "/"+strconv.Itoa(i*1000003), true, "other", strconv.Itoa(i))
		}
		l2.contents(batch)
		l2.must(l2.framer.WriteWindowUpdate(0, batch*uint32(len("ok"))))
	}
	for _, r := range []*app.Request{first, second} {
		got := fmt.Sprint(r.Method, " ", r.Target, " ", r.RawPath, " ", r.RawQuery, " ", r.Authority, " ", r.Fields.Get("Keep"), " ", r.Fields.Get("Accept"))
		if want := "GET /path/of/the/first?query=1 /path/of/the/first query=1 a this value */*"; got != want {
			t.Errorf("%s: now it says %q", r.Protocol, got)
		}
	}
}

// okAnswer is as long as the answers of that test.
const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Tue, 24 Nov 2026 07:10:58 GMT\r\nContent-Length: 2\r\n\r\nok"

// Results wake a loop that sleeps once a batch, and one that is at work not at all.
func TestAtMostOneWakeABatch(t *testing.T) {
	const requests = 64
	ready := make(chan *app.Promise[*app.Response], requests)
	atWork, resolved := make(chan struct{}), make(chan struct{})
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/busy" {
			close(atWork)
			<-resolved
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		ready <- p
		return f
	}, func(c *server.Config) { c.Loops = 1 })
	wakes := func() int64 { return s.Stats().Loops[0].Wakes }
	l := s.dial()
	// The loop's first turn is a wake as well.
	l.say(get("/"))
	(<-ready).Resolve(app.Text(200, "ok"))
	l.hear("GET", 200, "ok")

	l.say(strings.Repeat(get("/"), requests-1) + get("/busy"))
	<-atWork
	before := wakes()
	for range requests - 1 {
		(<-ready).Resolve(app.Text(200, "ok"))
	}
	close(resolved)
	for range requests - 1 {
		l.hear("GET", 200, "ok")
	}
	l.hear("GET", 200, "Hello, World!")
	// Beyond the budget of a turn the loop wakes itself for another.
	if n := wakes() - before; n > requests/8 {
		t.Errorf("%d wakes of a loop that was at work, for %d results", n, requests-1)
	}

	before = wakes()
	for range 50 {
		l.say(strings.Repeat(get("/"), requests))
		for range requests {
			(<-ready).Resolve(app.Text(200, "ok"))
		}
		for range requests {
			l.hear("GET", 200, "ok")
		}
	}
	// Which results come while the loop is at work is up to the scheduler; most do.
	if n := wakes() - before; n > 50*requests/2 {
		t.Errorf("%d wakes for %d results", n, 50*requests)
	} else {
		t.Logf("%d wakes for %d results", n, 50*requests)
	}
}
