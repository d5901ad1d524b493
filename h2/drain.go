package h2

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// Drain ends the connection gracefully (RFC 9113 section 6.8). It queues a GOAWAY that refuses
// nothing and a PING; after the acknowledgement or DrainTimeout, a GOAWAY with the last stream that
// is served follows. Done reports true once the open streams are complete. now is the time of the
// last Tick.
func (c *Conn) Drain(now time.Time) { c.drain(c.sh.instant(now)) }

func (c *Conn) drain(at instant) {
	if !c.advance(drainBegins) {
		return
	}
	c.out = appendGoaway(c.output(), maxStreamID, CodeNoError, "")
	c.out = appendPing(c.out, 0, pingDrain)
	c.timers[drainTimer] = moment.After(at, c.sh.cfg.DrainTimeout)
}

// finishDrain queues the last GOAWAY of a drain. A header block that is incomplete by then has
// drainedBlockTimeout left, unless streams are open: the end of the connection would cut them off.
func (c *Conn) finishDrain() {
	if !c.advance(drainEnds) {
		return
	}
	c.clearTimer(drainTimer)
	c.out = appendGoaway(c.output(), c.history.last, CodeNoError, "")
	if by := moment.After(c.sh.now, drainedBlockTimeout); c.streams.count == 0 && c.timers[blockTimer] > by {
		c.timers[blockTimer] = by
	}
}

// age drains a connection at MaxAge, and ends it after MaxAgeGrace.
func (c *Conn) age() *ConnError {
	if c.flags&aged != 0 {
		return c.fail(CodeNoError, "maximum age")
	}
	c.flags |= aged
	c.drain(c.sh.now)
	c.setTimer(ageTimer, c.sh.cfg.MaxAgeGrace)
	return nil
}

// Draining reports whether the peer was told to open no more streams, or MaxAge has passed.
func (c *Conn) Draining() bool {
	return c.life == draining || c.life == drained || c.flags&aged != 0
}

// Done reports whether the connection is to be closed: all output was pulled, and there was an error,
// a drain is complete, or the peer has sent its last byte and no stream is open.
func (c *Conn) Done() bool {
	if c.out != nil {
		return false
	}
	return c.life == failed || c.life >= drained && c.streams.count == 0 && c.block == nil
}

// goaway handles the peer's GOAWAY (RFC 9113 section 6.8): the connection is drained, so that it ends
// after its open streams and those that the peer has in flight.
func (c *Conn) goaway(h frameHeader, payload []byte, ev *Event) *ConnError {
	if h.stream != 0 {
		return c.fail(CodeProtocolError, "GOAWAY on a stream")
	}
	if err := c.spend(SettingsBudget); err != nil {
		return err
	}
	ev.Kind, ev.Code, ev.Value = Goaway, parseCode(payload[4:]), nil
	c.drain(c.sh.now)
	return nil
}
