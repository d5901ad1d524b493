package nethttp

import (
	"sync"
	"time"
)

// times are the deadlines of an exchange, whose mutex guards them. Most exchanges have none.
type times struct{ read, write deadline }

// deadline is the deadline of reads or of writes.
type deadline struct {
	timer   *time.Timer
	version int
	passed  bool
}

// setDeadline sets one of the deadlines of the exchange; the zero time is none.
func (e *exchange) setDeadline(which func(*times) *deadline, t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.times == nil {
		e.times = &times{}
	}
	which(e.times).set(t, &e.mu, e.wake)
}

// set sets the deadline; the zero time is none. wake is called when it passes. With mu held.
func (d *deadline) set(t time.Time, mu *sync.Mutex, wake func()) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		wake()
		return
	}
	version := d.version
	d.timer = time.AfterFunc(left, func() {
		mu.Lock()
		defer mu.Unlock()
		if d.version == version {
			d.passed = true
			wake()
		}
	})
}

// wake wakes all Reads and Writes that wait. With e.mu held.
func (e *exchange) wake() {
	if e.body != nil {
		e.body.readable.Broadcast()
	}
	if e.content != nil {
		e.content.writable.Broadcast()
	}
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
	e.setDeadline(func(t *times) *deadline { return &t.read }, t)
	return nil
}

// SetWriteDeadline implements the method that http.ResponseController calls. Writes that wait at t fail with
// os.ErrDeadlineExceeded, and so do all that follow. The zero time is no deadline.
func (e *exchange) SetWriteDeadline(t time.Time) error {
	e.setDeadline(func(t *times) *deadline { return &t.write }, t)
	return nil
}
