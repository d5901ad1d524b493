//go:build linux

package server

import (
	"runtime"
	"sync"
	"testing"
)

// goroutineID returns the text that names the calling goroutine.
func goroutineID() string {
	b := make([]byte, 32)
	return string(b[:runtime.Stack(b, false)])
}

func TestWorkersAreReused(t *testing.T) {
	var p workers
	defer p.close()
	names := make(chan string)
	work := func() { names <- goroutineID() }
	p.run(work)
	first := <-names
	for !p.hasIdle() {
		runtime.Gosched()
	}
	p.run(work)
	if second := <-names; second != first {
		t.Errorf("%q and %q", first, second)
	}
}

func TestWorkersGrowWithTheWork(t *testing.T) {
	var p workers
	var all sync.WaitGroup
	release := make(chan bool)
	for range 50 {
		all.Add(1)
		p.run(func() {
			all.Done()
			<-release
		})
	}
	all.Wait() // each runs while all others do
	close(release)
	p.close()
}

func TestIdleWorkersEnd(t *testing.T) {
	var p workers
	defer p.close()
	p.run(func() {})
	for !p.hasIdle() {
		runtime.Gosched()
	}
	p.endIdle()
	if !p.hasIdle() {
		t.Error("a worker ended before it was idle for a period")
	}
	p.endIdle()
	if p.hasIdle() {
		t.Error("a worker was idle for a period and stays")
	}
	ran := make(chan bool)
	p.run(func() { close(ran) })
	<-ran
}

func (p *workers) hasIdle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle) > 0
}
