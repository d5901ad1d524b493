// Package loglimit keeps log lines that strangers can cause from filling the log.
package loglimit

import (
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// Interval is the least time between two lines of one kind.
const Interval = 10 * time.Second

// Limit admits one log line of its kind in each Interval and counts the others. The zero Limit is ready
// for use. Its methods take no lock and may be called from any goroutine.
type Limit struct {
	next       atomic.Int64 // moment.Steady from which a line is admitted; 0: at once
	suppressed atomic.Int64
}

// Allow reports whether a line may be written at now, and if so how many were suppressed since the last
// one. Changes of the system's time do not count, unless now has no monotonic reading: then one that sets the clock back
// admits a line.
func (l *Limit) Allow(now time.Time) (suppressed int, ok bool) {
	at, next := moment.Steady(now), l.next.Load()
	if early := next - at; early > 0 && early <= int64(Interval) || !l.next.CompareAndSwap(next, at+int64(Interval)) {
		l.suppressed.Add(1)
		return 0, false
	}
	return int(l.suppressed.Swap(0)), true
}
