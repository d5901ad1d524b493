//go:build linux

package server

import (
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/gatewheel/gatewheel/app"
)

// PoolConfig bounds the pool on which app.Offload runs what blocks.
type PoolConfig struct {
	// Workers is how many jobs run at the same time; 0 means 256.
	Workers int
	// Queue is how many more may wait; 0 means 1024, a negative number none. A job beyond is refused with
	// app.ErrPoolFull.
	Queue int
}

func (c PoolConfig) withDefaults() PoolConfig {
	if c.Workers <= 0 {
		c.Workers = 256
	}
	switch {
	case c.Queue == 0:
		c.Queue = 1024
	case c.Queue < 0:
		c.Queue = 0
	}
	return c
}

// pool is a bounded queue before a bounded number of goroutines. ants alone would block the loop that
// submits, or keep no queue at all.
type pool struct {
	ants  *ants.Pool
	limit int64
	queue chan func()

	admitted atomic.Int64 // jobs waiting or running: submitters count up, workers down
	workers  atomic.Int64 // workers that look at the queue: submitters count up, workers down
	max      int64
}

func newPool(c PoolConfig) (*pool, error) {
	c = c.withDefaults()
	a, err := ants.NewPool(c.Workers, ants.WithNonblocking(true))
	if err != nil {
		return nil, err
	}
	limit := c.Workers + c.Queue
	return &pool{ants: a, limit: int64(limit), queue: make(chan func(), limit), max: int64(c.Workers)}, nil
}

// Submit implements app.Pool. It never blocks.
func (p *pool) Submit(work func()) error {
	if p.admitted.Add(1) > p.limit {
		p.admitted.Add(-1)
		return app.ErrPoolFull
	}
	p.queue <- work
	p.recruit()
	return nil
}

// recruit starts a worker unless enough are looking at the queue already.
func (p *pool) recruit() {
	if !p.count() {
		return
	}
	if p.ants.Submit(p.work) != nil {
		// A worker that has just counted itself out still occupies its place in ants for a moment.
		go p.work()
	}
}

func (p *pool) work() {
	for {
		select {
		case job := <-p.queue:
			job()
			p.admitted.Add(-1)
			continue
		default:
		}
		p.workers.Add(-1)
		// A job that came between the look and the count would wait for the next submission.
		if len(p.queue) == 0 {
			return
		}
		if !p.count() {
			return
		}
	}
}

// count counts one more worker, unless there are enough. Only those count, at any time, that will look at the
// queue: each of two that counted themselves in for a try would leave a job to the other.
func (p *pool) count() bool {
	for {
		n := p.workers.Load()
		if n >= p.max {
			return false
		}
		if p.workers.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// close waits until running jobs have ended, or until the time is up.
func (p *pool) close(timeout time.Duration) error { return p.ants.ReleaseTimeout(timeout) }
