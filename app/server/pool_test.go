//go:build linux

package server

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// A job that comes while the only worker is about to leave is done all the same.
func TestPoolForgetsNoJob(t *testing.T) {
	p := newPool(PoolConfig{Workers: 1})
	defer p.close(time.Second)
	var done atomic.Int64
	for want := int64(1); want <= 100_000; want++ {
		if err := p.Submit(func() { done.Add(1) }); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); done.Load() < want; runtime.Gosched() {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("job %d was forgotten", want)
			}
		}
	}
}

// A job that ends its goroutine takes no place away, and the jobs behind it are done.
func TestPoolSurvivesGoexit(t *testing.T) {
	p := newPool(PoolConfig{Workers: 1, Queue: 9})
	for range 10 {
		var done atomic.Int64
		for range 5 {
			if err := p.Submit(func() { done.Add(1); runtime.Goexit() }); err != nil {
				t.Fatal(err)
			}
		}
		for began := time.Now(); done.Load() < 5 || p.admitted.Load() > 0; runtime.Gosched() {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%d jobs are done, %d are left", done.Load(), p.admitted.Load())
			}
		}
	}
}

func TestPoolCloseWaitsForJobs(t *testing.T) {
	p := newPool(PoolConfig{Workers: 2})
	release := make(chan struct{})
	for range 3 {
		if err := p.Submit(func() { <-release }); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.close(time.Millisecond); err != errPoolBusy {
		t.Fatalf("closed with %v", err)
	}
	close(release)
	if err := p.close(5 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// A server that could not listen leaves nothing behind.
func TestNewThatFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := runtime.NumGoroutine()
	for range 10 {
		s, err := New(Config{
			Handler:   func(*app.Request) app.Answer { return app.Ready(app.Text(200, "")) },
			Listeners: []reactor.ListenerConfig{{Address: taken.Addr().String()}},
		})
		if err == nil {
			t.Fatal("listening where somebody else does", s.Addrs())
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before+5 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines more", runtime.NumGoroutine()-before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
