package pace

import (
	"math"
	"testing"
	"time"
)

// Only the time of waits counts, of those that are over and of the present one.
func TestWait(t *testing.T) {
	var w Wait
	for _, step := range []struct {
		at      time.Duration
		waiting bool
		want    time.Duration
	}{
		{0, false, 0}, {5, true, 0}, {7, true, 2}, {9, false, 4}, {20, false, 4}, {30, true, 4}, {31, false, 5},
	} {
		if w.Set(step.waiting, step.at); w.Time(step.at) != step.want || w.Waiting() != step.waiting {
			t.Errorf("at %d: %d, waiting: %v, want %d, %v", step.at, w.Time(step.at), w.Waiting(), step.want, step.waiting)
		}
	}
	w.Set(true, 40)
	if w.Reset(50); !w.Waiting() || w.Time(53) != 3 {
		t.Errorf("three after a reset: %d, waiting: %v", w.Time(53), w.Waiting())
	}
	w.Set(false, 53)
	if w.Reset(60); w.Waiting() || w.Time(70) != 0 {
		t.Errorf("without a wait after a reset: %d, waiting: %v", w.Time(70), w.Waiting())
	}
}

// The rate itself is fast enough.
func TestBelow(t *testing.T) {
	for _, c := range []struct {
		n     int64
		d     time.Duration
		rate  int
		below bool
	}{
		{100, time.Second, 100, false},
		{99, time.Second, 100, true},
		{1000, 10 * time.Second, 100, false},
		{999, 10 * time.Second, 100, true},
		{0, time.Second, 0, false},
		{0, 0, 100, false},
		{math.MaxInt64, math.MaxInt64, math.MaxInt32, true},
	} {
		if got := Below(c.n, c.d, c.rate); got != c.below {
			t.Errorf("%d bytes in %v are below %d a second: %v", c.n, c.d, c.rate, got)
		}
	}
}
