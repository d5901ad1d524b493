//go:build linux

package reactor

import "time"

// A turn's budget of work. A unit is about a microsecond: an event of a protocol machine, a kilobyte
// inflated, an expired timer. The units bound what is counted; the time bounds what is not, such as
// handlers.
const (
	turnUnits = 2048
	turnTime  = 2 * time.Millisecond
	// shortUnits and shortTime are the budget of one read while other connections wait for the rest of
	// their work, so that a cycle over many connections that all have much to do stays short.
	shortUnits = 256
	shortTime  = 250 * time.Microsecond
	// lookUnits is how many units are spent between two readings of the clock.
	lookUnits = 32
)

// Units of work that this package charges itself.
const (
	unitsPerTask   = 2 // of the inbox
	unitsPerExpiry = 1
	unitsPerWrite  = 4 // and one for each outputPerUnit bytes
	outputPerUnit  = 4 << 10
)

// budget is what a turn may still spend.
type budget struct {
	left  int           // units
	look  int           // the clock is read when left has come down to this
	limit time.Duration // from began
	began time.Duration // Loop age at the first look; 0: not known so far
}

// grant gives the turn, or one of its parts, at least this budget.
func (b *budget) grant(units int, limit time.Duration) {
	*b = budget{left: units, look: units - lookUnits, limit: limit}
}

// regrant is grant in the middle of a turn.
func (b *budget) regrant(l *Loop, units int, limit time.Duration) {
	b.grant(units, limit)
	b.began = l.elapsed()
}

// Charge counts work done in this turn, in units of about a microsecond: charge 1 for an event of a
// protocol machine, 2 for the call of a handler, 1 for each kilobyte inflated or made. On the loop.
func (l *Loop) Charge(units int) { l.budget.left -= units }

// Spent reports whether the turn has used up its budget: 2,048 units, or 2 milliseconds, which it finds
// out every 32 units; less while other connections wait for a turn to go on. A session that has done at
// least one piece of work stops then, and calls Conn.Yield if it leaves input. On the loop.
func (l *Loop) Spent() bool {
	b := &l.budget
	if b.left > b.look {
		return false
	}
	return b.lookAgain(l)
}

// lookAgain decides by units and by the clock.
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

// connQueue is a queue of connections that wait for the next wake turn.
type connQueue struct {
	list []*Conn
	next int
}

func (q *connQueue) len() int { return len(q.list) - q.next }

func (q *connQueue) put(c *Conn) {
	if q.next > burstKept && q.next > len(q.list)/2 {
		left := copy(q.list, q.list[q.next:])
		clear(q.list[left:])
		q.list, q.next = q.list[:left], 0
	}
	q.list = append(q.list, c)
}

// take removes the oldest entry. There must be one.
func (q *connQueue) take() *Conn {
	c := q.list[q.next]
	q.list[q.next] = nil
	if q.next++; q.next == len(q.list) {
		q.list, q.next = emptied(q.list), 0
	}
	return c
}
