//go:build linux

package server

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// PoolConfig configures the pool of app.Offload.
type PoolConfig struct {
	// Workers is the number of jobs that run at the same time; 0 means 256.
	Workers int
	// Queue is the number of jobs that may wait; 0 means 1024, a negative number none. Further jobs fail with
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

// pool runs jobs in a bounded number of goroutines, behind a bounded queue. A worker ends when the queue is empty.
type pool struct {
	queue chan func()
	limit int64 // of admitted
	max   int64 // of workers

	admitted atomic.Int64 // jobs that wait or run
	workers  atomic.Int64 // goroutines that will look at the queue
	closing  atomic.Bool
	ended    chan struct{} // a job has ended while the pool was closing
}

func newPool(c PoolConfig) *pool {
	c = c.withDefaults()
	limit := c.Workers + c.Queue
	return &pool{
		queue: make(chan func(), limit), limit: int64(limit), max: int64(c.Workers),
		ended: make(chan struct{}, 1),
	}
}

// Submit implements app.Pool. It never blocks.
func (p *pool) Submit(work func()) error {
	if p.admitted.Add(1) > p.limit {
		p.admitted.Add(-1)
		return app.ErrPoolFull
	}
	p.queue <- work // has room: it holds as many as are admitted
	p.addWorker()
	return nil
}

// addWorker starts a worker unless there are enough.
func (p *pool) addWorker() {
	for {
		n := p.workers.Load()
		if n >= p.max {
			return
		}
		if p.workers.CompareAndSwap(n, n+1) {
			go p.work()
			return
		}
	}
}

func (p *pool) work() {
	defer p.workerEnded()
	for {
		select {
		case job := <-p.queue:
			p.run(job)
		default:
			return
		}
	}
}

// workerEnded follows the end of a worker. A job that came after its last look at the queue, or waits behind one that has ended the
// goroutine, gets another worker.
func (p *pool) workerEnded() {
	p.workers.Add(-1)
	if len(p.queue) > 0 {
		p.addWorker()
	}
}

func (p *pool) run(job func()) {
	defer func() {
		p.admitted.Add(-1)
		if p.closing.Load() {
			select {
			case p.ended <- struct{}{}:
			default:
			}
		}
	}()
	job()
}

var errPoolBusy = errors.New("server: jobs of the pool are still running")

// close waits until all jobs have ended, or fails when the time is up.
func (p *pool) close(timeout time.Duration) error {
	p.closing.Store(true)
	late := time.NewTimer(timeout)
	defer late.Stop()
	for p.admitted.Load() > 0 {
		select {
		case <-p.ended:
		case <-late.C:
			return errPoolBusy
		}
	}
	return nil
}
