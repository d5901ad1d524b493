//go:build linux

package reactor

import "time"

// The budget of a turn, in units of about a microsecond of work and in time. Units bound counted work:
// events of protocol machines, inflated kilobytes, expired timers. Time bounds the rest, such as handlers.
const (
	turnUnits = 2048
	turnTime  = 2 * time.Millisecond
	// shortUnits and shortTime are the budget of a turn while deferred connections wait, so that a round
	// over many busy connections stays short.
	shortUnits = 256
	shortTime  = 250 * time.Microsecond
	// longInbox is the number of waiting tasks from which on each turn spends the budget of a long turn on them.
	longInbox = 512
	// lookUnits is the number of units between two readings of the clock.
	lookUnits = 32
)

// Units of work that this package charges itself.
const (
	unitsPerTask   = 2 // of the inbox
	unitsPerExpiry = 1
	unitsPerWrite  = 4 // and one for each outputPerUnit bytes
	outputPerUnit  = 4 << 10
)

// budget is the rest of a turn's budget.
type budget struct {
	left  int           // units
	look  int           // value of left at which the clock is read next
	limit time.Duration // since began
	began time.Duration // Loop.Age at the start, as far as the clock was read; 0: unknown
}

// grant sets the budget of the turn.
func (b *budget) grant(units int, limit time.Duration) {
	*b = budget{left: units, look: units - lookUnits, limit: limit}
}

// regrant sets the budget of a later part of the turn, which begins now.
func (b *budget) regrant(l *Loop, units int, limit time.Duration) {
	b.grant(units, limit)
	b.began = l.elapsed()
}

// Charge counts work done in this turn, in units of about a microsecond: charge 1 for an event of a
// protocol machine, 2 for the call of a handler, 1 for each kilobyte inflated or made. On the loop.
func (l *Loop) Charge(units int) { l.budget.left -= units }

// Spent reports whether the turn has used up its budget: 2,048 units or 2 milliseconds, or 256 units or 250
// microseconds while other connections have work left. It reads the clock every 32 units. A session checks it
// after each piece of work; if true it stops, and calls Conn.Yield if it leaves input. On the loop.
func (l *Loop) Spent() bool {
	b := &l.budget
	if b.left > b.look {
		return false
	}
	return b.lookAgain(l)
}

// lookAgain is the slow path of Spent: it compares the units and the clock with the limits.
func (b *budget) lookAgain(l *Loop) bool {
	if b.left <= 0 {
		return true
	}
	age := l.elapsed()
	if b.began == 0 {
		b.began = age
		if l.clock.known {
			b.began = l.clock.age
		}
	}
	if age-b.began >= b.limit {
		b.left = 0
		return true
	}
	b.look = b.left - lookUnits
	return false
}

// connQueue is a FIFO queue of connections.
type connQueue struct {
	list []*Conn
	next int
}

func (q *connQueue) len() int { return len(q.list) - q.next }

// put appends c.
func (q *connQueue) put(c *Conn) {
	if q.next > burstKept && q.next > len(q.list)/2 {
		left := copy(q.list, q.list[q.next:])
		clear(q.list[left:])
		q.list, q.next = q.list[:left], 0
	}
	q.list = append(q.list, c)
}

// take removes and returns the oldest entry. The queue must not be empty.
func (q *connQueue) take() *Conn {
	c := q.list[q.next]
	q.list[q.next] = nil
	if q.next++; q.next == len(q.list) {
		q.list, q.next = emptied(q.list), 0
	}
	return c
}
