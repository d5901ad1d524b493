package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Marks of a cell.
const (
	markTaken   uint32 = 1 << iota // settle was called
	markClaimed                    // somebody has taken the failure
	markWork                       // the result of Offload or Go, or of a continuation of one
	markLost                       // unclaimed was called
)

// claim marks the failure of a settled cell as taken.
func (c *cell[T]) claim() {
	if c.err != nil && c.marks.Load()&markClaimed == 0 {
		c.marks.Or(markClaimed)
	}
}

// inherit marks a continuation of work as work.
func (c *cell[T]) inherit(marks uint32) {
	if marks&markWork != 0 {
		c.marks.Store(markWork)
	}
}

// unclaimed has the failure of a settled cell logged unless somebody takes it in time. Only
// panics and failures of work are logged. Any goroutine.
func (c *cell[T]) unclaimed() {
	_, panicked := c.err.(*PanicError)
	if !panicked && c.marks.Load()&markWork == 0 || c.marks.Or(markLost)&markLost != 0 {
		return
	}
	u := &unclaimed{loop: c.loop, marks: &c.marks, err: c.err}
	c.loop.Post(u.await)
}

// dropped has a failure logged that came too late for its waiter.
func (c *cell[T]) dropped() {
	if c.err != nil {
		c.unclaimed()
	}
}

// unclaimedWait is how long a failure may wait to be taken, if its request lasts longer.
const unclaimedWait = 5 * time.Second

// unclaimed is a failure that nobody has taken.
type unclaimed struct {
	loop  Loop
	marks *atomic.Uint32
	err   error
	bound bound
}

// await is a task of the loop.
func (u *unclaimed) await() {
	switch r := requestOf(u.loop); {
	case r == nil:
		u.loop.After(unclaimedWait, u.report)
	case r.isGone():
		u.report()
	default:
		u.bound.init(r, u)
		u.bound.startTimer(unclaimedWait)
	}
}

// cut implements bounded.
func (u *unclaimed) cut(_ error, q *queue) {
	if q == nil {
		u.loop.Post(u.report)
		return
	}
	u.report()
}

// report logs the failure. It is a task of the loop, since methods of errors are code of
// the application.
func (u *unclaimed) report() {
	if u.marks.Load()&markClaimed != 0 || isCancellation(u.err) {
		return
	}
	if l, ok := u.loop.(reporter); ok {
		l.Report(u.err)
	}
}

// isCancellation reports whether work has failed only because its request has ended.
func isCancellation(err error) bool {
	for _, cause := range [...]error{ErrPeerGone, ErrRequestDone, ErrHalfClosed, ErrDraining, ErrDeadline, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// requestOf returns the request for which tasks of loop run, or nil.
func requestOf(loop Loop) *Request {
	if l, ok := loop.(reporter); ok {
		return l.ForRequest()
	}
	return nil
}

// warn logs a mistake of the application.
func warn(loop Loop, text string) {
	if l, ok := loop.(reporter); ok {
		l.Warn(text)
	}
}
