// Package deadline keeps the deadlines of a loop behind one timer.
package deadline

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Queue holds the deadlines of one loop, as a heap. It is used on the loop, owned: between
// Enter and Leave of the loop's Guard (package spi) if user code runs.
type Queue struct {
	loop    app.Loop
	guard   guard // of the loop, or nil
	entries []*Entry
	timer   app.Timer // nil: not set
	wake    time.Time // of the timer
	fire    func()    // expire, as a value
}

type guard interface {
	Enter() bool
	Leave()
}

// Entry is a deadline. What has one embeds it.
type Entry struct {
	at    time.Time
	index int // in the heap, from 1; 0: not set
	owner Expirer
}

// Expirer has deadlines.
type Expirer interface {
	// Expired is called once at the deadline, on the loop, owned. e is no longer set.
	Expired(e *Entry)
}

// IsSet reports whether the deadline is set and has not passed.
func (e *Entry) IsSet() bool { return e.index > 0 }

// Init prepares a zero queue for a loop.
func (q *Queue) Init(loop app.Loop) {
	q.loop, q.fire = loop, q.expire
	q.guard, _ = loop.(guard)
}

// Set sets the deadline of e, or changes it.
func (q *Queue) Set(e *Entry, at time.Time, owner Expirer) {
	e.owner = owner
	if e.index == 0 {
		q.entries = append(q.entries, e)
		e.at, e.index = at, len(q.entries)
		q.up(e)
	} else {
		e.at = at
		q.up(e)
		q.down(e)
	}
	if q.timer == nil || q.wake.After(q.entries[0].at) {
		q.arm()
	}
}

// Clear removes the deadline of e, if it is set. The timer stays as it is.
func (q *Queue) Clear(e *Entry) {
	if e.index == 0 {
		return
	}
	last := q.entries[len(q.entries)-1]
	q.entries[len(q.entries)-1] = nil
	q.entries = q.entries[:len(q.entries)-1]
	if last != e {
		last.index = e.index
		q.entries[last.index-1] = last
		q.up(last)
		q.down(last)
	}
	e.index, e.owner = 0, nil
}

// Len returns the number of deadlines.
func (q *Queue) Len() int { return len(q.entries) }

func (q *Queue) arm() {
	if q.timer != nil {
		q.timer.Stop()
	}
	q.wake = q.entries[0].at
	q.timer = q.loop.After(q.wake.Sub(q.loop.Now()), q.fire)
}

// expire is a task of the loop. The goroutine may end inside Expired, if user code there
// loses the loop; so the next timer is set before.
func (q *Queue) expire() {
	if q.guard != nil && !q.guard.Enter() {
		q.loop.Post(q.fire) // for the goroutine that has the loop now
		return
	}
	q.timer = nil
	for now := q.loop.Now(); len(q.entries) > 0 && !q.entries[0].at.After(now); {
		e := q.entries[0]
		owner := e.owner
		q.Clear(e)
		if len(q.entries) > 0 && q.timer == nil {
			q.arm()
		}
		owner.Expired(e)
	}
	if len(q.entries) > 0 && q.timer == nil {
		q.arm()
	}
	if q.guard != nil {
		q.guard.Leave()
	}
}

// up and down restore the order of the heap around e.
func (q *Queue) up(e *Entry) {
	for e.index > 1 {
		parent := q.entries[e.index/2-1]
		if !e.at.Before(parent.at) {
			return
		}
		q.swap(e, parent)
	}
}

func (q *Queue) down(e *Entry) {
	for {
		child := 2 * e.index
		if child > len(q.entries) {
			return
		}
		first := q.entries[child-1]
		if child < len(q.entries) && q.entries[child].at.Before(first.at) {
			first = q.entries[child]
		}
		if !first.at.Before(e.at) {
			return
		}
		q.swap(e, first)
	}
}

func (q *Queue) swap(a, b *Entry) {
	a.index, b.index = b.index, a.index
	q.entries[a.index-1], q.entries[b.index-1] = a, b
}
