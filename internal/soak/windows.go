//go:build linux

package soak

import (
	"sync"
	"time"
)

// windows are the times in which a program was being restarted: the old process may close connections in them.
type windows struct {
	mu   sync.Mutex
	open bool
	last time.Time // end of the last one
}

// aftermath is how long after the end of the old process a client may still act on a connection that it has closed: until
// the client has read of the close.
const aftermath = 2 * time.Second

func (w *windows) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
}

func (w *windows) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open, w.last = false, time.Now()
}

// overlap reports whether a restart was in progress at some time since.
func (w *windows) overlap(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open || !w.last.IsZero() && since.Before(w.last.Add(aftermath))
}
