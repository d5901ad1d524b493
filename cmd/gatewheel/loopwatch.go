//go:build linux

package main

import (
	"sync/atomic"
	"time"
)

// loopWatch finds out whether loops turn, by tasks that they run. Its methods are called by one goroutine.
type loopWatch struct {
	loops []*watchedLoop
	limit time.Duration // time that a loop may take for its task; 0: until the next look
	ran   chan struct{} // of capacity 1: gets a value after a task has run
}

type watchedLoop struct {
	post   func(task func())
	posted time.Time   // when its last task was posted
	busy   atomic.Bool // that task has not run; cleared on the loop
}

// add adds a loop, by what has it run a task.
func (w *loopWatch) add(post func(task func())) {
	w.loops = append(w.loops, &watchedLoop{post: post})
}

// turning reports whether every loop has run its last task, or has it for less than limit.
func (w *loopWatch) turning(now time.Time) bool {
	for _, l := range w.loops {
		if l.busy.Load() && now.Sub(l.posted) >= w.limit {
			return false
		}
	}
	return true
}

// probe gives each loop that has run its last task another one.
func (w *loopWatch) probe(now time.Time) {
	for _, l := range w.loops {
		if l.busy.Load() {
			continue
		}
		l.busy.Store(true)
		l.posted = now
		l.post(func() {
			l.busy.Store(false)
			select {
			case w.ran <- struct{}{}:
			default:
			}
		})
	}
}
