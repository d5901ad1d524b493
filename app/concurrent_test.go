package app_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// runLoop runs the tasks of a loop in a goroutine, as a server does. stop drops the
// remaining tasks, as a stopped loop does.
func runLoop(t *testing.T) (loop *bareLoop, stop func()) {
	t.Helper()
	tasks := make(chan func(), 1<<16)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case task := <-tasks:
				task()
			case <-quit:
				return
			}
		}
	}()
	return &bareLoop{post: func(task func()) { tasks <- task }}, func() { close(quit); <-ended }
}

// moody is an exchange with content and room at random times.
type moody struct {
	bareExchange
	patience int
}

func (x *moody) mood(ready func()) bool {
	if rand.IntN(3) > 0 {
		return true
	}
	if x.patience--; x.patience > 0 {
		x.loop.Post(ready)
	}
	return false
}

func (x *moody) ReadBody(p []byte, ready func()) (int, error) {
	if !x.mood(ready) {
		return 0, nil
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func (x *moody) Write(p []byte, ready func()) (int, error) {
	if !x.mood(ready) {
		return 0, nil
	}
	return rand.IntN(len(p) + 1), nil
}

// Goroutines read and write while their requests end at random times, and the loop drops
// some tasks. Every goroutine ends, and nothing uses its memory after its Read has
// returned, which the race detector checks.
func TestGoroutinesEndWithTheirRequests(t *testing.T) {
	loop, stop := runLoop(t)
	defer stop()
	var running sync.WaitGroup
	var reads atomic.Int64
	handler := app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		defer running.Done()
		for body, p := r.Body.Reader(), make([]byte, 16); ; reads.Add(1) {
			n, err := body.Read(p)
			for i := range p {
				p[i] = 'y'
			}
			if err == nil {
				_, err = w.Write(make([]byte, 100*n))
			}
			if err != nil {
				return err
			}
		}
	})
	for range 300 {
		running.Add(1)
		r := &app.Request{Method: "POST", ContentLength: -1}
		loop.Post(func() {
			spi.Bind(r, &moody{bareExchange: bareExchange{loop: loop}, patience: 1 + rand.IntN(20)}, &app.ConnInfo{})
			spi.Run(handler, r, 0).Done(func(resp *app.Response, err error) {
				if err == nil {
					spi.ServeStream(resp.Content.(*app.Stream), r)
				}
			})
		})
		go func() {
			for range rand.IntN(100) {
				runtime.Gosched()
			}
			spi.Cancel(r, app.ErrPeerGone)
		}()
	}
	running.Wait()
}

// All combinations of futures, resolved by many goroutines on several loops at once.
func TestFuturesOfSeveralLoops(t *testing.T) {
	var loops []*bareLoop
	for range 4 {
		loop, stop := runLoop(t)
		defer stop()
		loops = append(loops, loop)
	}
	const rounds = 300
	sums := make(chan int, rounds)
	for range rounds {
		home := loops[rand.IntN(len(loops))]
		home.Post(func() {
			r := &app.Request{}
			spi.Bind(r, &bareExchange{loop: home}, &app.ConnInfo{})
			fs := make([]app.Future[int], 8)
			for i := range fs {
				other := &app.Request{}
				spi.Bind(other, &bareExchange{loop: loops[i%len(loops)]}, &app.ConnInfo{})
				p, f := app.Promised[int](other)
				fs[i] = app.Then(app.Here(r, f), func(n int) app.Future[int] {
					q, g := app.Promised[int](other)
					go q.Resolve(n + 1)
					return g
				})
				go p.Resolve(i)
				go p.Resolve(i)
			}
			app.Collect(r, time.Hour, app.All(fs...)).Done(func(outcomes []app.Outcome[[]int], err error) {
				sum := 0
				for _, n := range outcomes[0].Value {
					sum += n
				}
				sums <- sum
			})
		})
	}
	for range rounds {
		if sum := <-sums; sum != 36 {
			t.Fatalf("got %d", sum)
		}
	}
}

// A future that another goroutine settles may become ready between two calls of Ready.
func TestWritesAcceptedByOtherGoroutines(t *testing.T) {
	loop, stop := runLoop(t)
	defer stop()
	handler := app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		for range 2000 {
			w.WriteString("x")
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return nil
	})
	r := &app.Request{Method: "GET"}
	written := make(chan int)
	loop.Post(func() {
		spi.Bind(r, &bareExchange{loop: loop}, &app.ConnInfo{})
		spi.Run(handler, r, 0).Done(func(resp *app.Response, err error) {
			stream, n := resp.Content.(*app.Stream), 0
			produce := stream.Produce
			stream.Produce = func(w *app.Writer) app.Future[app.Done] {
				return produce(w.Wrap(func(p []byte) app.Future[int] {
					n += len(p)
					accepted, f := app.Promised[int](r)
					go accepted.Resolve(len(p))
					return f
				}))
			}
			stream.OnClose = func() { written <- n }
			spi.ServeStream(stream, r)
		})
	})
	if n := <-written; n != 2000 {
		t.Fatalf("%d bytes were written", n)
	}
}
