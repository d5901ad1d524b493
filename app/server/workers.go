//go:build linux

package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// workers runs the blocking handlers of a loop, each in a goroutine of its own. A goroutine that has ended its work waits
// for more for up to two periods of workersSwept, so that its stack need not grow again. There is no limit: what limits
// concurrent handlers are the limits of connections and streams. Any goroutine. The loop takes mu for each handler, since
// handlers end on other goroutines; it is held for a few instructions, and never while a handler runs.
type workers struct {
	mu     sync.Mutex
	idle   []*worker // the one that ended its work last is at the end, and gets the next
	period uint64    // counts sweeps
	closed bool
	sweep  *time.Timer // nil: none is idle
	busy   atomic.Int64
}

// worker is a goroutine that waits for work.
type worker struct {
	work  chan func()
	since uint64 // period in which it became idle
}

// workersSwept is the time between two looks for workers that have been idle for long.
const workersSwept = 5 * time.Second

// run runs f in a goroutine.
func (p *workers) run(f func()) {
	p.busy.Add(1)
	p.mu.Lock()
	var w *worker
	if last := len(p.idle) - 1; last >= 0 {
		w = p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
	}
	p.mu.Unlock()
	if w != nil {
		w.work <- f
		return
	}
	w = &worker{work: make(chan func(), 1)}
	w.work <- f
	go p.serve(w)
}

// serve runs the work of w until it has been idle for long.
func (p *workers) serve(w *worker) {
	for f := range w.work {
		f()
		p.busy.Add(-1)
		if !p.wait(w) {
			return
		}
	}
}

// wait adds w to the idle workers. It reports false if there is no more work.
func (p *workers) wait(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	w.since = p.period
	p.idle = append(p.idle, w)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(workersSwept, p.endIdle)
	}
	return true
}

// endIdle ends the workers that were idle for a whole period.
func (p *workers) endIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	stale := 0
	for stale < len(p.idle) && p.idle[stale].since < p.period {
		close(p.idle[stale].work)
		stale++
	}
	n := copy(p.idle, p.idle[stale:])
	clear(p.idle[n:])
	p.idle = p.idle[:n]
	p.period++
	if n == 0 || p.closed {
		p.sweep = nil
		return
	}
	p.sweep = time.AfterFunc(workersSwept, p.endIdle)
}

// close ends the idle workers. Others end with their work.
func (p *workers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	for _, w := range p.idle {
		close(w.work)
	}
	p.idle = nil
}

// Go implements spi.Spawner.
func (x *exchange) Go(f func()) { x.loop.workers.run(f) }

// Park implements spi.Spawner: the server does not count goroutines.
func (x *exchange) Park() {}

// Unpark implements spi.Spawner.
func (x *exchange) Unpark() {}
