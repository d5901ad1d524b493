//go:build linux

package server

import (
	"math"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
	"github.com/gatewheel/gatewheel/reactor"
)

// progress finds out whether a peer reads what is sent to it.
type progress struct {
	since instant // when output was written behind which none waited, or the peer was last seen to read
	left  int32   // unread bytes at since, and what was written later; unknown before the first look
	given bool    // output was written since the last look
}

const unknown = math.MaxInt32

// begin records that output is written, with none waiting before it.
func (p *progress) begin(now instant) { p.since, p.left, p.given = now, unknown, true }

// add records that n bytes are written behind queued bytes that wait. Output that the peer asks for does not show
// that it reads.
func (p *progress) add(queued, n int, now instant) {
	if queued == 0 {
		p.begin(now)
		return
	}
	// How much of it the kernel holds shows at the next look.
	p.left, p.given = int32(min(int(p.left)+n, unknown)), true
}

// checks is the number of checks at a peer within the timeout. What the peer reads between two checks counts as read at
// the second, so that its time ends at most one of these parts late, and never early.
const checks = 16

// by returns the time of the next look; 0 if no output can be waiting. One look may find that the kernel has taken
// all.
func (p *progress) by(c *reactor.Conn, now instant, timeout time.Duration) instant {
	if timeout == 0 {
		return 0
	}
	next := p.look(c, now, timeout/checks)
	return min(next, p.since.after(timeout))
}

// look returns the time of the next of the looks that have that distance; 0 if no output can be waiting.
func (p *progress) look(c *reactor.Conn, now instant, distance time.Duration) instant {
	if !p.given && c.Queued() == 0 {
		return 0
	}
	part := max(instant(distance), 1)
	return p.since.after(time.Duration(max(now-p.since, 0)/part*part + part))
}

// stuck checks at the peer, and reports whether it has read nothing for timeout; 0 is no limit.
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

// passed reports whether i is not later than now. 0, which is never, has not passed.
func (i instant) passed(now instant) bool { return i != 0 && i <= now }

// earlier returns the first of two times; 0 is never.
func earlier(a, b instant) instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// moment returns t as an instant; the zero time is never.
func (l *loop) moment(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return max(moment.After(l.instant(), t.Sub(l.r.Now())), 1)
}

// setTimeoutAt has the Timeout of c's session called at that time; 0 is never.
func setTimeoutAt(c *reactor.Conn, by instant) {
	if by == 0 {
		c.SetDeadline(time.Time{})
		return
	}
	c.SetDeadlineAt(time.Duration(by))
}
