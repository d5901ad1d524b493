package loglimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/clockjump"
)

func TestOneLineInEachInterval(t *testing.T) {
	var l Limit
	start := time.Unix(1_000_000_000, 0)
	for _, step := range []struct {
		after      time.Duration
		ok         bool
		suppressed int
	}{
		{0, true, 0},
		{0, false, 0},
		{Interval - 1, false, 0},
		{Interval, true, 2},
		{Interval + 1, false, 0},
		{2 * Interval, true, 1},
		{10 * Interval, true, 0},
		{0, true, 0}, // the clock was set back
	} {
		suppressed, ok := l.Allow(start.Add(step.after))
		if ok != step.ok || suppressed != step.suppressed {
			t.Errorf("after %v: %d, %v; want %d, %v", step.after, suppressed, ok, step.suppressed, step.ok)
		}
	}
}

// Somebody sets the clock of the system by hours: no line more, and none less.
func TestLinesWhenTheClockIsSet(t *testing.T) {
	for _, leap := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		var l Limit
		now := time.Now()
		l.Allow(now)
		if _, ok := l.Allow(clockjump.Set(now.Add(Interval-1), leap)); ok {
			t.Errorf("a leap of %v admits a line too early", leap)
		}
		if _, ok := l.Allow(clockjump.Set(now.Add(Interval), leap)); !ok {
			t.Errorf("a leap of %v suppresses a line", leap)
		}
	}
}

func TestConcurrentCallersGetOneLine(t *testing.T) {
	var l Limit
	var admitted atomic.Int64
	now := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if _, ok := l.Allow(now); ok {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	suppressed, ok := l.Allow(now.Add(Interval))
	if admitted.Load() != 1 || !ok || suppressed != 7999 {
		t.Errorf("%d lines, then %d suppressed, %v", admitted.Load(), suppressed, ok)
	}
}
