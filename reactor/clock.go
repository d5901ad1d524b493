//go:build linux

package reactor

import "time"

// clock is the time of a Loop. It reads the monotonic clock, which costs half as much as time.Now, and the wall clock
// once per wallInterval; a change of the system's time takes effect that late.
type clock struct {
	known  bool // read in this turn
	lent   bool // lent code has run since the last reading
	age    time.Duration
	now    time.Time
	wall   time.Time // read when age was wallAt
	wallAt time.Duration
	// source replaces the monotonic clock in tests; nil: the clock itself.
	source func() time.Duration
}

// wallInterval is the time between two readings of the wall clock.
const wallInterval = time.Second

// elapsed reads the monotonic clock and returns the time since the Reactor was made.
func (l *Loop) elapsed() time.Duration {
	if l.clock.source != nil {
		return l.clock.source()
	}
	return time.Since(l.reactor.born)
}

// readClock reads the clock for Now, Age, TurnTime and TurnAge.
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

// Now returns the time. The clock is read once per turn, and again after lent code has run. On the loop.
func (l *Loop) Now() time.Time {
	if !l.clock.known || l.clock.lent {
		l.readClock()
	}
	return l.clock.now
}

// TurnTime returns the time of the turn's last reading of the clock. It is earlier than Now by the time that
// lent code has taken since: do not compute deadlines from it. On the loop.
func (l *Loop) TurnTime() time.Time {
	if !l.clock.known {
		l.readClock()
	}
	return l.clock.now
}

// TurnAge returns TurnTime as time since the Reactor was made. On the loop.
func (l *Loop) TurnAge() time.Duration {
	if !l.clock.known {
		l.readClock()
	}
	return l.clock.age
}

// Age returns Now as time since the Reactor was made, the unit of Conn.SetDeadlineAt. On the loop.
func (l *Loop) Age() time.Duration {
	if !l.clock.known || l.clock.lent {
		l.readClock()
	}
	return l.clock.age
}
