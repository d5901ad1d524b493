// Package deadline keeps the deadlines of a loop behind one timer.
package deadline

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Queue holds the deadlines of one loop. It is used on the loop, owned: between Enter and
// Leave of the loop's Guard (package spi) if user code runs.
//
// It is a heap whose places stay as they are when a deadline is cleared or becomes later:
// most deadlines are cleared, and set again for the next request, long before their time.
// So a request costs nothing here. A Queue refers to Entries that are not set; their number
// is bounded by that of the others.
type Queue struct {
	loop   app.Loop
	guard  guard     // of the loop, or nil
	born   time.Time // the base of all moments
	places []place   // a heap by time
	unset  int       // places of entries that are not set
	timer  app.Timer // nil: not set
	wake   moment    // of the timer
	fire   func()    // expire, as a value
}

// moment is a time, in nanoseconds since Queue.born.
type moment int64

// place is the place of an entry in the heap.
type place struct {
	when  moment // not later than the deadline of entry
	entry *Entry
}

type guard interface {
	Enter() bool
	Leave()
}

// Entry is a deadline. What has one embeds it, and keeps it when it is used again: once set,
// an Entry must not be copied or overwritten.
type Entry struct {
	at    moment
	index int     // of its place, from 1; 0: it has none
	owner Expirer // nil: not set
}

// Expirer has deadlines.
type Expirer interface {
	// Expired is called once at the deadline, on the loop, owned. e is no longer set.
	Expired(e *Entry)
}

// IsSet reports whether the deadline is set and has not passed.
func (e *Entry) IsSet() bool { return e.owner != nil }

// Init prepares a zero queue for a loop. On the loop.
func (q *Queue) Init(loop app.Loop) {
	q.loop, q.fire, q.born = loop, q.expire, loop.Now()
	q.guard, _ = loop.(guard)
}

// Set sets the deadline of e, or changes it.
func (q *Queue) Set(e *Entry, at time.Time, owner Expirer) {
	e.at = moment(at.Sub(q.born))
	if e.index == 0 {
		q.places = append(q.places, place{e.at, e})
		e.index = len(q.places)
		q.up(e.index)
	} else {
		if e.owner == nil {
			q.unset--
		}
		if p := &q.places[e.index-1]; e.at < p.when {
			p.when = e.at
			q.up(e.index)
		}
	}
	e.owner = owner
	if q.timer == nil || q.places[0].when < q.wake {
		q.arm()
	}
}

// Clear removes the deadline of e, if it is set. The timer stays as it is.
func (q *Queue) Clear(e *Entry) {
	if e.owner == nil {
		return
	}
	e.owner = nil
	q.unset++
	if q.unset > minUnset && q.unset > len(q.places)/2 {
		q.sweep()
	}
}

// minUnset is the number of places of entries that are not set up to which they are kept.
const minUnset = 256

// sweep removes the places of entries that are not set.
func (q *Queue) sweep() {
	kept := q.places[:0]
	for _, p := range q.places {
		if p.entry.owner == nil {
			p.entry.index = 0
			continue
		}
		kept = append(kept, p)
		p.entry.index = len(kept)
	}
	clear(q.places[len(kept):])
	q.places, q.unset = kept, 0
	for i := len(kept) / 2; i > 0; i-- {
		q.down(i)
	}
}

// Len returns the number of deadlines.
func (q *Queue) Len() int { return len(q.places) - q.unset }

func (q *Queue) arm() {
	if q.timer != nil {
		q.timer.Stop()
	}
	q.wake = q.places[0].when
	q.timer = q.loop.After(time.Duration(q.wake)-q.loop.Now().Sub(q.born), q.fire)
}

// expire is a task of the loop. The goroutine may end inside Expired, if user code there
// loses the loop; so the next timer is set before.
func (q *Queue) expire() {
	if q.guard != nil && !q.guard.Enter() {
		q.loop.Post(q.fire) // for the goroutine that has the loop now
		return
	}
	q.timer = nil
	now := moment(q.loop.Now().Sub(q.born))
	for e := q.next(now); e != nil; e = q.next(now) {
		owner := e.owner
		e.owner = nil
		if len(q.places) > 0 && q.timer == nil {
			q.arm()
		}
		owner.Expired(e)
	}
	if len(q.places) > 0 && q.timer == nil {
		q.arm()
	}
	if q.guard != nil {
		q.guard.Leave()
	}
}

// next removes the entry with the first deadline, if that has passed; else it returns nil,
// and the first place in the heap is that of the next deadline.
func (q *Queue) next(now moment) *Entry {
	for len(q.places) > 0 {
		p := &q.places[0]
		switch e := p.entry; {
		case e.owner == nil:
			q.unset--
			q.removeFirst()
		case e.at > p.when:
			p.when = e.at
			q.down(1)
		case e.at > now:
			return nil
		default:
			q.removeFirst()
			return e
		}
	}
	return nil
}

// removeFirst removes the first place.
func (q *Queue) removeFirst() {
	q.places[0].entry.index = 0
	last := len(q.places) - 1
	q.places[0] = q.places[last]
	q.places[last] = place{}
	q.places = q.places[:last]
	if last > 0 {
		q.places[0].entry.index = 1
		q.down(1)
	}
}

// up and down restore the order of the heap around the place with that index.
func (q *Queue) up(index int) {
	for index > 1 {
		parent := index / 2
		if q.places[index-1].when >= q.places[parent-1].when {
			return
		}
		q.swap(index, parent)
		index = parent
	}
}

func (q *Queue) down(index int) {
	for {
		child := 2 * index
		if child > len(q.places) {
			return
		}
		if child < len(q.places) && q.places[child].when < q.places[child-1].when {
			child++
		}
		if q.places[child-1].when >= q.places[index-1].when {
			return
		}
		q.swap(index, child)
		index = child
	}
}

func (q *Queue) swap(a, b int) {
	q.places[a-1], q.places[b-1] = q.places[b-1], q.places[a-1]
	q.places[a-1].entry.index, q.places[b-1].entry.index = a, b
}
