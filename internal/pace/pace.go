// Package pace measures how fast something arrives while it is waited for.
package pace

import "time"

// Wait sums the time for which something is waited for. Its times are ages, counted from any moment that the caller
// uses throughout.
type Wait struct {
	waiting bool
	since   time.Duration // start of the present wait
	total   time.Duration // of earlier waits
}

// Set records whether there is a wait from age on. Repeating the present state changes nothing.
func (w *Wait) Set(waiting bool, age time.Duration) {
	if waiting == w.waiting {
		return
	}
	w.total = w.Time(age)
	w.waiting, w.since = waiting, age
}

// Waiting reports whether there is a wait.
func (w *Wait) Waiting() bool { return w.waiting }

// Time returns the time that was spent waiting up to age.
func (w *Wait) Time(age time.Duration) time.Duration {
	if w.waiting {
		return w.total + age - w.since
	}
	return w.total
}

// Reset forgets the time before age. A present wait goes on.
func (w *Wait) Reset(age time.Duration) { w.total, w.since = 0, age }

// Below reports whether n bytes in d are less than rate bytes a second.
func Below(n int64, d time.Duration, rate int) bool { return float64(n) < float64(rate)*d.Seconds() }
