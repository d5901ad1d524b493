//go:build linux

package admin

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// StalledLag is the lag from which a loop counts as stalled.
	StalledLag = 100 * time.Millisecond
	// lagPatience is how long Measure waits for the loops.
	lagPatience = 200 * time.Millisecond
)

// LagProbe measures how long tasks wait for the turn of their loop. The zero value is ready for use. Any goroutine.
type LagProbe struct {
	mu    sync.Mutex
	loops []*lagOfLoop
}

// lagOfLoop is what is known of one loop. Times are in nanoseconds.
type lagOfLoop struct {
	post   func(task func())
	posted atomic.Int64 // since began; 0: no task is on its way
	lag    atomic.Int64 // of the last task that has run
}

// began is where the times of probes are measured from.
var began = time.Now()

// Add adds a loop, by what runs a task on it.
func (p *LagProbe) Add(post func(task func())) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loops = append(p.loops, &lagOfLoop{post: post})
}

// Measure gives each loop a task and returns how long it waited, in the order of the calls of Add. It waits for
// lagPatience at most; the lag of a loop that has not run its task by then is the time that it has waited so far.
func (p *LagProbe) Measure() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	ran := make(chan struct{}, len(p.loops))
	waiting := 0
	for _, l := range p.loops {
		if l.posted.Load() != 0 {
			continue // a stalled loop gets no second one
		}
		waiting++
		l.posted.Store(int64(time.Since(began)))
		l.post(func() {
			l.lag.Store(int64(time.Since(began)) - l.posted.Load())
			l.posted.Store(0)
			ran <- struct{}{} // there is room
		})
	}
	timer := time.NewTimer(lagPatience)
	defer timer.Stop()
	for ; waiting > 0; waiting-- {
		select {
		case <-ran:
			continue
		case <-timer.C:
		}
		break
	}
	lags := make([]time.Duration, len(p.loops))
	for i, l := range p.loops {
		lags[i] = time.Duration(l.lag.Load())
		if posted := l.posted.Load(); posted != 0 {
			lags[i] = time.Since(began) - time.Duration(posted)
		}
	}
	return lags
}
