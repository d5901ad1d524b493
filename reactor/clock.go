//go:build linux

package reactor

import "time"

// clock is a Loop's time. The monotonic clock is read alone, at half the price; the wall clock is read once in
// wallInterval, so a change of the system's time is noticed that late.
type clock struct {
	known  bool // read in this turn
	lent   bool // lent code has run since
	age    time.Duration
	now    time.Time
	wall   time.Time // read when age was wallAt
	wallAt time.Duration
	// source takes the place of the monotonic clock in tests; nil: it does not.
	source func() time.Duration
}

const wallInterval = time.Second

// elapsed reads the monotonic clock: the time since the Reactor was made.
func (l *Loop) elapsed() time.Duration {
	if l.clock.source != nil {
		return l.clock.source()
	}
	return time.Since(l.reactor.born)
}

func (l *Loop) readClock() {
	c := &l.clock
	c.known, c.lent = true, false
	c.age = l.elapsed()
	if c.wall.IsZero() || c.age-c.wallAt >= wallInterval {
		c.wall = time.Now()
		c.wallAt = c.age
	}
	c.now = c.wall.Add(c.age - c.wallAt)
}

// Now returns the time, which is read once a turn, and again where lent code has run since. On the loop.
func (l *Loop) Now() time.Time {
	if !l.clock.known || l.clock.lent {
		l.readClock()
	}
	return l.clock.now
}

// TurnTime returns the time at which the turn looked at the clock first or last. It may be earlier than
// now by the time that lent code has taken: no deadline may be counted from it. On the loop.
func (l *Loop) TurnTime() time.Time {
	if !l.clock.known {
		l.readClock()
	}
	return l.clock.now
}

// TurnAge is TurnTime in the measure of Age.
func (l *Loop) TurnAge() time.Duration {
	if !l.clock.known {
		l.readClock()
	}
	return l.clock.age
}

// Age returns the time since the Reactor was made, the measure of Conn.SetDeadlineAt. It is read along with
// Now. On the loop.
func (l *Loop) Age() time.Duration {
	if !l.clock.known || l.clock.lent {
		l.readClock()
	}
	return l.clock.age
}
