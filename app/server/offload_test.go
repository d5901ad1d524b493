//go:build linux

package server_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// Ten thousand slow jobs meet a pool of sixty-four: what the queue has no room for is refused at once with 503
// and Retry-After, never more than the pool's size run, others are served meanwhile, and memory is bounded.
func TestOffloadOfTenThousandSlowJobs(t *testing.T) {
	const jobs, workers, queue = 10_000, 64, 256
	var submitted, running, most atomic.Int64
	release := make(chan struct{})
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath != "/slow" {
			return hello(r)
		}
		defer submitted.Add(1)
		return app.Offload(r, func(context.Context) (*app.Response, error) {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-release
			running.Add(-1)
			return app.Text(200, "done"), nil
		})
	}, func(c *server.Config) {
		c.Pool = server.PoolConfig{Workers: workers, Queue: queue}
		c.HTTP1.Pipelined = jobs
	})
	before := heap()
	// Answers over HTTP/1 leave in order, so the first jobs fill pool and queue, on a connection of their own.
	accepted := s.dial()
	accepted.say(strings.Repeat(get("/slow"), workers+queue))
	eventually(t, "the pool is busy", func() bool { return running.Load() == workers && submitted.Load() == workers+queue })
	refused := s.dial()
	refused.sayMeanwhile(strings.Repeat(get("/slow"), jobs-workers-queue))
	others := s.dial()
	for i := range jobs - workers - queue {
		response := refused.status("GET", 503)
		if response.Header.Get("Retry-After") == "" {
			t.Fatal("no Retry-After")
		}
		if i%1000 == 0 {
			others.say(get("/"))
			others.hear("GET", 200, "Hello, World!")
		}
	}
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("%d KiB are held", grown>>10)
	}
	close(release)
	for range workers + queue {
		accepted.hear("GET", 200, "done")
	}
	if n := most.Load(); n > workers {
		t.Errorf("%d jobs ran at once", n)
	}
	refused.say(get("/slow"))
	refused.hear("GET", 200, "done")
}

// A job whose peer has gone before it began is not begun; one that runs is told by its context.
func TestOffloadForNobody(t *testing.T) {
	began := make(chan string, 10)
	told := make(chan error, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Offload(r, func(ctx context.Context) (*app.Response, error) {
			began <- r.RawPath
			if r.RawPath == "/last" {
				return app.Text(200, "last"), nil
			}
			<-ctx.Done()
			told <- context.Cause(ctx)
			return nil, ctx.Err()
		})
	}, func(c *server.Config) { c.Pool = server.PoolConfig{Workers: 1} })
	first, second, third := s.dial(), s.dial(), s.dial()
	first.say(get("/first"))
	if name := <-began; name != "/first" {
		t.Fatalf("%s has begun", name)
	}
	second.say(get("/second"))
	eventually(t, "the second has come", func() bool { return s.Stats().Connections == 3 && s.Counts().BytesIn >= uint64(2*len(get("/first"))) })
	second.reset()
	eventually(t, "the second has gone", func() bool { return s.Stats().Connections == 2 })
	third.say(get("/last"))
	first.reset()
	if cause := <-told; cause == nil {
		t.Error("no cause")
	}
	third.hear("GET", 200, "last")
	if name := <-began; name != "/last" {
		t.Errorf("%s has begun for nobody", name)
	}
}

// heap is what is reachable, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
