//go:build linux

package soak

import (
	"sync"
	"time"
)

// windows are the times in which a program was being restarted: an old process may close connections in them.
type windows struct {
	mu   sync.Mutex
	from []time.Time
	to   []time.Time // zero for the last one while it lasts
}

// aftermath is how long after the end of the old process a client may learn of a connection that it has closed: when it
// uses the connection next. Kept connections of the clients here are used, or closed, within that time.
const aftermath = clientIdle + 5*time.Second

func (w *windows) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from, w.to = append(w.from, time.Now()), append(w.to, time.Time{})
}

func (w *windows) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to[len(w.to)-1] = time.Now()
}

// overlap reports whether a restart was in progress at some time since.
func (w *windows) overlap(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.to) - 1
	return last >= 0 && (w.to[last].IsZero() || since.Before(w.to[last].Add(aftermath)))
}
