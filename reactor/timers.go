//go:build linux

package reactor

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// timers is a Loop's heap of times to wake for. A single runtime timer is set to the earliest.
//
// A connection has at most one entry, which stays where it is when its deadline becomes later: when the
// entry fires, the deadline is compared. So a busy connection costs nothing here.
type timers struct {
	heap  []timerEntry
	clock *time.Timer
	armed int64 // time that clock is set to; never: not set
	// expired is the age up to which entries have run or are running. A new entry is later than that, so that
	// tasks that add timers cannot keep the loop in one turn.
	expired int64
}

// timerEntry is an entry of the heap, for a connection or for a Timer.
type timerEntry struct {
	when  int64 // nanoseconds of Loop.Age
	conn  *Conn
	timer *Timer
}

const never = moment.Never

// Timer is a task that runs on a Loop at a certain time.
type Timer struct {
	loop  *Loop
	task  func()
	index int32 // in the heap; -1: none
}

func (t *timers) init(l *Loop) {
	t.armed = never
	t.clock = time.AfterFunc(time.Hour, func() { l.Post(l.expire) })
	t.clock.Stop()
}

// AfterFunc runs task on the loop, owned, once d has passed since the call: never earlier, and later by no
// more than the turns that the loop is busy with then. A d that has passed already waits for another turn.
// On the loop. Memory: about 90 bytes until the task has run or was stopped.
func (l *Loop) AfterFunc(d time.Duration, task func()) *Timer {
	t := &Timer{loop: l, task: task}
	l.timers.push(timerEntry{when: int64(moment.After(l.elapsed(), d)), timer: t})
	return t
}

// Stop keeps the task from running. It reports false if the task has run or was stopped before. On the
// Timer's loop.
func (t *Timer) Stop() bool {
	if t.index < 0 {
		return false
	}
	t.loop.timers.remove(int(t.index))
	t.task = nil
	return true
}

// arm sets the runtime timer if the earliest time has become earlier.
func (t *timers) arm(l *Loop) {
	if len(t.heap) == 0 || t.heap[0].when >= t.armed {
		return
	}
	t.armed = t.heap[0].when
	t.clock.Reset(time.Duration(t.armed) - l.elapsed())
}

// expire runs the entries whose time has come, as far as the budget of the turn goes.
func (l *Loop) expire() {
	t := &l.timers
	t.armed = never
	l.readClock()
	now := int64(l.clock.age)
	t.expired = now
	if len(t.heap) > 0 && t.heap[0].when <= now {
		l.stats.timerLag.Add(time.Duration(now - t.heap[0].when))
	}
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
			continue // the end of the move watches the deadline again
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

// schedule ensures that the heap has an entry for c no later than c's deadline.
func (t *timers) schedule(c *Conn) {
	switch {
	case c.timerIndex < 0:
		t.push(timerEntry{when: c.deadline, conn: c})
	case c.deadline < t.heap[c.timerIndex].when:
		t.heap[c.timerIndex].when = c.deadline
		t.up(int(c.timerIndex))
	}
}

// forget removes the entry of c.
func (t *timers) forget(c *Conn) {
	if c.timerIndex >= 0 {
		t.remove(int(c.timerIndex))
	}
}

// A node of the heap has four children: that makes it less deep, and siblings share a cache line.

func (t *timers) push(m timerEntry) {
	m.when = max(m.when, t.expired+1)
	t.heap = append(t.heap, m)
	t.setIndex(len(t.heap) - 1)
	t.up(len(t.heap) - 1)
}

func (t *timers) remove(i int) {
	t.clearIndex(i)
	last := len(t.heap) - 1
	m := t.heap[last]
	t.heap[last] = timerEntry{}
	t.heap = shrunk(t.heap[:last])
	if i < last {
		t.heap[i] = m
		t.setIndex(i)
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
	t.setIndex(i)
	t.setIndex(j)
}

// setIndex records i as the index of entry i in the entry's connection or Timer.
func (t *timers) setIndex(i int) {
	if m := &t.heap[i]; m.conn != nil {
		m.conn.timerIndex = int32(i)
	} else {
		m.timer.index = int32(i)
	}
}

func (t *timers) clearIndex(i int) {
	if m := &t.heap[i]; m.conn != nil {
		m.conn.timerIndex = -1
	} else {
		m.timer.index = -1
	}
}
