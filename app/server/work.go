//go:build linux

package server

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Details of the log line for app.ErrPoolFull.
var (
	errPoolFull     = errors.New("app.Offload: PoolConfig.Workers jobs run and PoolConfig.Queue wait")
	errFilePoolFull = errors.New("files: PoolConfig.FileWorkers jobs run and PoolConfig.FileQueue wait")
	errCallsFull    = errors.New("app.Go: PoolConfig.Calls calls run")
)

// calls bounds the goroutines of app.Go. Its counters are shared by all loops, since the bound is that of the server; a
// call that waits for the network and needs a goroutine costs far more. Any goroutine.
type calls struct {
	limit   int64
	running atomic.Int64
	refused atomic.Uint64
	last    chan struct{} // the last call has ended; sends need not succeed
}

func (c *calls) init(limit int) { c.limit, c.last = int64(limit), make(chan struct{}, 1) }

// enter counts a call that begins. It reports false if there are too many.
func (c *calls) enter() bool {
	if c.running.Add(1) > c.limit {
		c.leave()
		c.refused.Add(1)
		return false
	}
	return true
}

// leave counts a call that has ended.
func (c *calls) leave() {
	if c.running.Add(-1) == 0 {
		select {
		case c.last <- struct{}{}:
		default:
		}
	}
}

// await waits until the calls have ended. It reports false if the time is up.
func (c *calls) await(late <-chan time.Time) bool {
	for c.running.Load() > 0 {
		select {
		case <-c.last:
		case <-late:
			return false
		}
	}
	return true
}

// counts returns the state of the calls. Any goroutine.
func (c *calls) counts() PoolCounts {
	return PoolCounts{Running: uint64(max(c.running.Load(), 0)), Limit: uint64(c.limit), Refused: c.refused.Load()}
}

// Call implements spi.Caller.
func (x *exchange) Call(work func()) error {
	s := x.loop.server
	if !s.calls.enter() {
		s.refusedRequest(PoolFull, x, errCallsFull)
		return app.ErrPoolFull
	}
	x.loop.workers.run(func() {
		defer s.calls.leave()
		work()
	})
	return nil
}

// FilePool implements spi.Caller.
func (x *exchange) FilePool() app.Pool { return (*exchangeFilePool)(x) }

// exchangeFilePool is the pool for files of a request. It counts jobs that the pool refuses.
type exchangeFilePool exchange

// Submit implements app.Pool.
func (x *exchangeFilePool) Submit(work func()) error {
	s := x.loop.server
	err := s.files.Submit(work)
	if err != nil {
		s.refusedRequest(PoolFull, (*exchange)(x), errFilePoolFull)
	}
	return err
}
