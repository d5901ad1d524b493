package ws

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

const never time.Duration = moment.Never

// Deadline gives the time at which Expire must be called next; zero: never.
// It moves with almost every call: compare it when an earlier one fires rather
// than setting a timer each time.
func (c *Conn) Deadline() time.Time {
	due := c.due()
	if due == never {
		return time.Time{}
	}
	return c.sh.base.Add(due)
}

// due gives the earliest time at which something is to be done.
func (c *Conn) due() time.Duration {
	if !c.state.mayClose() {
		return c.closeBy
	}
	due := never
	if c.paused {
		return due
	}
	if c.set.Idle > 0 {
		due = moment.After(c.used, c.set.Idle)
	}
	due = min(due, c.messageDue())
	switch {
	case c.pinged:
		due = min(due, moment.After(c.pingedAt, c.set.pongTimeout()))
	case c.set.KeepAlive > 0:
		due = min(due, moment.After(c.heard, c.set.KeepAlive))
	}
	return due
}

// messageDue returns the time at which the message being received must be
// complete.
func (c *Conn) messageDue() time.Duration {
	if c.state != within && !c.inFrame || c.set.MessageTimeout < 0 {
		return never
	}
	return moment.After(c.begun, c.set.messageTimeout())
}

// Expire does what is due at now: it sends a keep-alive ping, closes an idle
// connection, or fails one whose peer is silent, takes too long for a message or
// does not complete the closing handshake. Only a failure returns an error, an
// *Error; after the closing handshake's time nothing is left in the queue.
// Calling it early does nothing.
func (c *Conn) Expire(now time.Time) error {
	c.sh.Tick(now)
	at := c.sh.now
	switch {
	case c.due() > at:
		return nil
	case !c.state.mayClose():
		c.out.clear(c.sh)
		return c.fail(CloseAbnormal, "closing handshake timed out")
	case c.set.Idle > 0 && moment.After(c.used, c.set.Idle) <= at:
		return c.Close(CloseGoingAway, "idle")
	case c.messageDue() <= at:
		return c.fail(ClosePolicyViolation, "message took too long")
	case c.pinged:
		return c.fail(CloseGoingAway, "no answer to a ping")
	}
	c.pinged, c.pingedAt = true, at
	return c.Ping(nil)
}

// Pause tells that the caller does not read for now, because the application is
// slow to take what came. Silence is not the peer's fault then: no time passes
// for it until Resume, except that of the closing handshake.
func (c *Conn) Pause() {
	if !c.paused {
		c.paused = true
		c.begun -= c.sh.now
	}
}

// Resume ends a Pause.
func (c *Conn) Resume() {
	if c.paused {
		c.paused, c.pinged = false, false
		c.begun += c.sh.now
		c.heard, c.used = c.sh.now, c.sh.now
	}
}
