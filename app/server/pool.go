//go:build linux

package server

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// pool runs jobs in a bounded number of goroutines, behind a bounded queue. A worker ends when the queue is empty.
type pool struct {
	queue chan func()
	limit int64 // of admitted
	max   int64 // of workers

	admitted atomic.Int64 // jobs that wait or run
	refused  atomic.Uint64
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
		p.refused.Add(1)
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

// counts returns the state of the pool. Any goroutine.
func (p *pool) counts() PoolCounts {
	admitted, waiting := p.admitted.Load(), int64(len(p.queue))
	return PoolCounts{
		Running: uint64(max(admitted-waiting, 0)), Waiting: uint64(waiting), Limit: uint64(p.limit), Refused: p.refused.Load(),
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
	late := time.NewTimer(timeout)
	defer late.Stop()
	if !p.await(late.C) {
		return errPoolBusy
	}
	return nil
}

// await waits until all jobs have ended. It reports false if the time is up.
func (p *pool) await(late <-chan time.Time) bool {
	p.closing.Store(true)
	for p.admitted.Load() > 0 {
		select {
		case <-p.ended:
		case <-late:
			return false
		}
	}
	return true
}

// awaitWork waits for work outside the loops, which is told by its context that its request has ended.
func (s *Server) awaitWork(timeout time.Duration) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	_ = s.pool.await(late.C) && s.files.await(late.C) && s.calls.await(late.C)
}
