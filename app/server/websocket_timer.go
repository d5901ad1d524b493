//go:build linux

package server

import (
	"time"

	"github.com/gatewheel/gatewheel/reactor"
)

// socketTimer fires no later than something is due for a socket whose connection has other deadlines. It is not moved
// when that becomes later. The zero value is ready. It belongs to the loop.
type socketTimer struct {
	timer *reactor.Timer // nil: not set
	at    time.Time      // of timer
	over  bool           // it is never set again
}

// late reports whether the timer would fire after d, or not at all, and set is to be called. The zero time is never.
func (t *socketTimer) late(d time.Time) bool {
	return !t.over && !d.IsZero() && (t.timer == nil || d.Before(t.at))
}

// set has fire called at d. fire calls fired first.
func (t *socketTimer) set(l *loop, d time.Time, fire func()) {
	t.stop()
	t.at = d
	t.timer = l.r.AfterFunc(max(d.Sub(l.r.Now()), 0), fire)
}

// fired records that the timer has fired.
func (t *socketTimer) fired() { t.timer = nil }

// end stops the timer for ever.
func (t *socketTimer) end() {
	t.over = true
	t.stop()
}

func (t *socketTimer) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}
