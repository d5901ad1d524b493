package nethttp

import (
	"sync"
	"time"
)

// deadline is the deadline of reads or of writes of an exchange, whose mutex guards it.
type deadline struct {
	changed *sync.Cond
	timer   *time.Timer
	version int
	passed  bool
}

// set sets the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		d.changed.Broadcast()
		return
	}
	version := d.version
	d.timer = time.AfterFunc(left, func() {
		d.changed.L.Lock()
		defer d.changed.L.Unlock()
		if d.version == version {
			d.passed = true
			d.changed.Broadcast()
		}
	})
}

// stop ends the timer.
func (d *deadline) stop() {
	d.version++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// SetReadDeadline implements the method that http.ResponseController calls. Reads that wait at t fail with
// os.ErrDeadlineExceeded. The zero time is no deadline.
func (e *exchange) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readBy.set(t)
	return nil
}

// SetWriteDeadline implements the method that http.ResponseController calls. Writes that wait at t fail with
// os.ErrDeadlineExceeded, and so do all that follow. The zero time is no deadline.
func (e *exchange) SetWriteDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.writeBy.set(t)
	return nil
}
