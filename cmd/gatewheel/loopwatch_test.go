//go:build linux

package main

import (
	"testing"
	"time"
)

// TestLoopWatch follows two loops, of which one does not run the task of 10 s until 35 s.
func TestLoopWatch(t *testing.T) {
	const seconds = time.Second
	for _, c := range []struct {
		name    string
		limit   time.Duration
		turning [5]bool // at the looks at 0, 10, 20, 30 and 40 s
	}{
		{"no limit of our own", 0, [5]bool{true, true, false, false, true}},
		{"a limit that the stall keeps", 40 * seconds, [5]bool{true, true, true, true, true}},
		{"a limit that the stall exceeds", 15 * seconds, [5]bool{true, true, true, false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := loopWatch{limit: c.limit, ran: make(chan struct{}, 1)}
			var waiting []func()
			stalls := false
			w.add(func(task func()) { task() })
			w.add(func(task func()) {
				if stalls {
					waiting = append(waiting, task)
				} else {
					task()
				}
			})
			start := time.Now()
			for i, want := range c.turning {
				now := start.Add(time.Duration(i) * 10 * seconds)
				if i == 4 {
					stalls = false
					if len(waiting) != 1 {
						t.Errorf("%d tasks wait for one loop", len(waiting))
					}
					for _, task := range waiting {
						task()
					}
				}
				if got := w.turning(now); got != want {
					t.Errorf("at %v: turning %v, want %v", now.Sub(start), got, want)
				}
				stalls = stalls || i == 1
				w.probe(now)
			}
			select {
			case <-w.ran:
			default:
				t.Error("no task has reported its run")
			}
		})
	}
}
