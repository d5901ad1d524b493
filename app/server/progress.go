//go:build linux

package server

import (
	"math"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
	"github.com/gatewheel/gatewheel/reactor"
)

// progress tells whether a peer takes what is sent to it.
type progress struct {
	since instant // when output was last given away with none before it, or seen to be taken
	left  int32   // what waited then, and what was given away since; unknown: all that there may be
	given bool    // output was given away and may be waiting
}

const unknown = math.MaxInt32

// begin notes that output is being given to the connection.
func (p *progress) begin(now instant) { p.since, p.left, p.given = now, unknown, true }

// add notes that n bytes are being given to the connection, behind others that wait. What the peer makes the
// server say is no sign that it takes anything.
func (p *progress) add(queued, n int, now instant) {
	if queued == 0 {
		p.begin(now)
		return
	}
	// What the kernel holds of it, and of what came before, is not known: only a look can tell.
	p.left, p.given = int32(min(int(p.left)+n, unknown)), true
}

// looks is how many times a peer is looked at within the timeout. What it took between two looks counts as
// taken at the second, so that its time ends late by one of these parts at most, and never early.
const looks = 16

// by returns when to look next whether the peer has taken some; 0: nothing can be waiting. How much of the
// output that is just being given away will wait is not known yet, so one look may be for nothing.
func (p *progress) by(c *reactor.Conn, now instant, timeout time.Duration) instant {
	if timeout == 0 || !p.given && c.Queued() == 0 {
		return 0
	}
	part := max(instant(timeout/looks), 1)
	next := p.since.after(time.Duration(max(now-p.since, 0)/part*part + part))
	return min(next, p.since.after(timeout))
}

// stuck reports whether the peer has taken nothing for that long. 0 is no limit.
func (p *progress) stuck(c *reactor.Conn, now instant, timeout time.Duration) bool {
	p.given = false
	if c.Queued() == 0 {
		return false
	}
	if untaken := int32(min(c.Untaken(), unknown-1)); untaken < p.left {
		p.since, p.left = now, untaken
	}
	return p.since.after(timeout).passed(now)
}

// after returns i plus d, at most the greatest instant; 0, which is never, if d is 0.
func (i instant) after(d time.Duration) instant {
	if d == 0 {
		return 0
	}
	return moment.After(i, d)
}

// passed says that i is not never, and not later than now.
func (i instant) passed(now instant) bool { return i != 0 && i <= now }

// earlier is the first of two; 0 is never.
func earlier(a, b instant) instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// moment is t as an instant; the zero time is never.
func (l *loop) moment(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return max(moment.After(l.instant(), t.Sub(l.r.Now())), 1)
}

// lookAt has the connection's session looked at again at that time.
func lookAt(c *reactor.Conn, by instant) {
	if by == 0 {
		c.SetDeadline(time.Time{})
		return
	}
	c.SetDeadlineAt(time.Duration(by))
}
