package ws

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

const never time.Duration = moment.Never

// Deadline returns the time at which Expire must be called next; the zero time means
// never. Almost every call moves it: rather than setting a timer each time, compare
// it when an earlier timer fires.
func (c *Conn) Deadline() time.Time {
	due := c.due()
	if due == never {
		return time.Time{}
	}
	return c.sh.base.Add(due)
}

// due returns the earliest time at which Expire has something to do.
func (c *Conn) due() time.Duration {
	if !c.state.mayClose() {
		return c.closeBy
	}
	due := never
	if c.liveness == unread {
		return due
	}
	if c.set.Idle > 0 {
		due = moment.After(c.used, c.set.Idle)
	}
	due = min(due, c.messageDue())
	switch {
	case c.liveness == pinged:
		due = min(due, moment.After(c.pingedAt, c.set.pongTimeout()))
	case c.set.KeepAlive > 0:
		due = min(due, moment.After(c.heard, c.set.KeepAlive))
	}
	return due
}

// messageDue returns the time at which the message being received must be
// complete.
func (c *Conn) messageDue() time.Duration {
	if c.state != within && c.reading == atHeader || c.set.MessageTimeout < 0 {
		return never
	}
	return moment.After(c.begun, c.set.messageTimeout())
}

// Expire acts on the times that have passed at now: it sends a keep-alive ping, closes an idle
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
	case c.liveness == pinged:
		return c.fail(CloseGoingAway, "no answer to a ping")
	}
	c.liveness, c.pingedAt = pinged, at
	return c.Ping(nil)
}

// Pause announces that the caller reads no input until Resume, because the
// application is slow. Meanwhile only the time of a closing handshake passes, since
// the peer cannot prove that it is alive.
func (c *Conn) Pause() {
	if c.liveness != unread {
		c.liveness = unread
		c.begun -= c.sh.now
	}
}

// Resume ends a Pause.
func (c *Conn) Resume() {
	if c.liveness == unread {
		c.liveness = alive
		c.begun += c.sh.now
		c.heard, c.used = c.sh.now, c.sh.now
	}
}
