package h2

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// Drain asks the peer to leave: a GOAWAY that refuses nothing and a PING, then, after its round
// trip or DrainTimeout, a GOAWAY with the last stream that is served (RFC 9113 section 6.8).
// Streams that are open are completed, and then Done is true. now is what Tick was told.
func (c *Conn) Drain(now time.Time) { c.drain(c.sh.instant(now)) }

func (c *Conn) drain(at instant) {
	if !c.advance(drainBegins) {
		return
	}
	c.out = appendGoaway(c.output(), maxStreamID, CodeNoError, "")
	c.out = appendPing(c.out, 0, pingDrain)
	c.timers[drainTimer] = moment.After(at, c.sh.cfg.DrainTimeout)
}

// goodbye is the second step of a drain.
func (c *Conn) goodbye() {
	if !c.advance(drainEnds) {
		return
	}
	c.clearTimer(drainTimer)
	c.out = appendGoaway(c.output(), c.history.last, CodeNoError, "")
}

// age drains a connection that has reached its age, and ends it once grace is over.
func (c *Conn) age() *ConnError {
	if c.flags&aged != 0 {
		return c.fail(CodeNoError, "maximum age")
	}
	c.flags |= aged
	c.drain(c.sh.now)
	c.setTimer(ageTimer, c.sh.cfg.MaxAgeGrace)
	return nil
}

// Draining reports that the peer was asked to leave.
func (c *Conn) Draining() bool {
	return c.life == draining || c.life == drained || c.flags&aged != 0
}

// Done reports that all output was pulled and the connection is to be closed: after an error, when
// a drain has completed, or when the peer has sent its last byte and nothing can be sent any more.
func (c *Conn) Done() bool {
	if c.out != nil {
		return false
	}
	return c.life == failed || c.life >= drained && c.streams.count == 0 && c.block == nil
}

// goaway takes the peer's leave (RFC 9113 section 6.8). The connection is drained too: it is done
// with the streams it has, and the round trip of a drain lets what the peer still says arrive.
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
