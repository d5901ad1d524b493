//go:build linux

package reactor

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// timers is a Loop's heap of moments to wake for. A single runtime timer stands for the earliest.
//
// A connection has at most one entry, which is not moved when its deadline becomes later: what it
// was set to is compared when the entry fires. A busy connection so costs nothing here.
type timers struct {
	heap  []timerEntry
	clock *time.Timer
	armed int64 // what clock is set to; never: not at all
	// worked is the time up to which entries have run, or do: one that is made meanwhile has to wait
	// for another turn, lest it keeps the loop.
	worked int64
}

// timerEntry is an entry: of a connection, or of a Timer.
type timerEntry struct {
	when  int64 // nanoseconds of Loop.Age
	conn  *Conn
	timer *Timer
}

const never = moment.Never

// Timer is a task that waits for its time on a Loop.
type Timer struct {
	loop  *Loop
	task  func()
	place int32 // in the heap; -1: not there
}

func (t *timers) init(l *Loop) {
	t.armed = never
	t.clock = time.AfterFunc(time.Hour, func() { l.Post(l.expire) })
	t.clock.Stop()
}

// AfterFunc has task run on the loop, owned, once d has passed: if it has already, when others have had
// their turn. On the loop. Memory: about 90 bytes until it ran or was stopped.
func (l *Loop) AfterFunc(d time.Duration, task func()) *Timer {
	t := &Timer{loop: l, task: task}
	l.timers.push(timerEntry{when: int64(moment.After(l.elapsed(), d)), timer: t})
	return t
}

// Stop keeps the task from running. It is false when it has run or was stopped before. On the
// Timer's loop.
func (t *Timer) Stop() bool {
	if t.place < 0 {
		return false
	}
	t.loop.timers.remove(int(t.place))
	t.task = nil
	return true
}

// arm sets the runtime timer, if the earliest moment has become earlier.
func (t *timers) arm(l *Loop) {
	if len(t.heap) == 0 || t.heap[0].when >= t.armed {
		return
	}
	t.armed = t.heap[0].when
	t.clock.Reset(time.Duration(t.armed) - l.elapsed())
}

// expire runs everything whose time has come.
func (l *Loop) expire() {
	t := &l.timers
	t.armed = never
	l.readClock()
	now := int64(l.clock.age)
	t.worked = now
	ran := false
	for len(t.heap) > 0 && t.heap[0].when <= now {
		if l.Charge(unitsPerExpiry); ran && l.Spent() {
			t.armed = t.heap[0].when // by the task
			l.Post(l.expire)
			return
		}
		ran = true
		due := t.heap[0]
		t.remove(0)
		if due.conn == nil {
			due.timer.task()
			continue
		}
		if due.conn.departing() {
			continue // the end of the move sees to it
		}
		l.current = due.conn
		due.conn.expire(now)
		l.current = nil
	}
}

// setDeadlineIn sets c's deadline to d from now.
func (c *Conn) setDeadlineIn(d time.Duration) {
	c.setDeadline(int64(moment.After(c.loop.Load().Age(), d)))
}

// watch sees that the heap wakes for c's deadline, or earlier.
func (t *timers) watch(c *Conn) {
	switch {
	case c.moment < 0:
		t.push(timerEntry{when: c.deadline, conn: c})
	case c.deadline < t.heap[c.moment].when:
		t.heap[c.moment].when = c.deadline
		t.up(int(c.moment))
	}
}

// forget drops the entry of c.
func (t *timers) forget(c *Conn) {
	if c.moment >= 0 {
		t.remove(int(c.moment))
	}
}

// The heap has four children a node: less deep, and they lie side by side.

func (t *timers) push(m timerEntry) {
	m.when = max(m.when, t.worked+1)
	t.heap = append(t.heap, m)
	t.place(len(t.heap) - 1)
	t.up(len(t.heap) - 1)
}

func (t *timers) remove(i int) {
	t.leave(i)
	last := len(t.heap) - 1
	m := t.heap[last]
	t.heap[last] = timerEntry{}
	t.heap = slimmed(t.heap[:last])
	if i < last {
		t.heap[i] = m
		t.place(i)
		t.up(i)
		t.down(i)
	}
}

func (t *timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 4
		if t.heap[parent].when <= t.heap[i].when {
			return
		}
		t.swap(parent, i)
		i = parent
	}
}

func (t *timers) down(i int) {
	for {
		least := i
		for child := 4*i + 1; child <= 4*i+4 && child < len(t.heap); child++ {
			if t.heap[child].when < t.heap[least].when {
				least = child
			}
		}
		if least == i {
			return
		}
		t.swap(least, i)
		i = least
	}
}

func (t *timers) swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.place(i)
	t.place(j)
}

// place tells an entry's owner where it stands now.
func (t *timers) place(i int) {
	if m := &t.heap[i]; m.conn != nil {
		m.conn.moment = int32(i)
	} else {
		m.timer.place = int32(i)
	}
}

func (t *timers) leave(i int) {
	if m := &t.heap[i]; m.conn != nil {
		m.conn.moment = -1
	} else {
		m.timer.place = -1
	}
}
