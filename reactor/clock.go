//go:build linux

package reactor

import "time"

// clock is a Loop's time, read at most once a turn. The monotonic clock is read alone, at half the
// price; the wall clock is asked once in wallInterval, and so is as late to notice that it was set.
type clock struct {
	known  bool
	age    time.Duration
	now    time.Time
	wall   time.Time // read when age was wallAt
	wallAt time.Duration
}

const wallInterval = time.Second

// elapsed reads the monotonic clock: the time since the Reactor was made.
func (l *Loop) elapsed() time.Duration { return time.Since(l.reactor.born) }

func (l *Loop) readClock() {
	c := &l.clock
	c.known = true
	c.age = l.elapsed()
	if c.wall.IsZero() || c.age-c.wallAt >= wallInterval {
		c.wall = time.Now()
		c.age = c.wall.Sub(l.reactor.born)
		c.wallAt = c.age
	}
	c.now = c.wall.Add(c.age - c.wallAt)
}

// Now is the time, read at most once a turn. On the loop.
func (l *Loop) Now() time.Time {
	if !l.clock.known {
		l.readClock()
	}
	return l.clock.now
}

// Age is the time since the Reactor was made, the measure of Conn.SetDeadlineAt. It is read along with
// Now. On the loop.
func (l *Loop) Age() time.Duration {
	if !l.clock.known {
		l.readClock()
	}
	return l.clock.age
}
