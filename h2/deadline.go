package h2

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// instant is a time in nanoseconds since the first Tick of a Shared; 0 is never.
type instant int64

// The timers of a connection: indices into Conn.timers. The idle timeout is none of them: the caller
// counts it from the end of the last stream, see Conn.Streams.
const (
	settingsTimer  = iota // until the peer has acknowledged our SETTINGS
	blockTimer            // until a header block has ended
	stallTimer            // until stalled responses are looked for
	keepAliveTimer        // until a PING is sent, or its acknowledgement is overdue
	earlyTimer            // until requests whose response is complete are cut off
	drainTimer            // until the last GOAWAY of a drain
	ageTimer              // until MaxAge, then until the end of its grace
	timers
)

func (c *machine) setTimer(timer int, d time.Duration) { c.timers[timer] = moment.After(c.sh.now, d) }

func (c *machine) clearTimer(timer int) { c.timers[timer] = 0 }

// Deadline returns the time at which to call Expire, or the zero time for never.
func (c *machine) Deadline() time.Time {
	first := instant(0)
	for _, due := range c.timers {
		if due != 0 && (first == 0 || due < first) {
			first = due
		}
	}
	if first == 0 {
		return time.Time{}
	}
	return c.sh.time(first)
}

// Expire acts on everything that is due at now, the time of the last Tick. An error ends the
// connection as one of Next does.
func (c *machine) Expire(now time.Time) error {
	if c.err != nil {
		return c.err
	}
	at := c.sh.instant(now)
	for timer, due := range c.timers {
		if due == 0 || due > at {
			continue
		}
		c.timers[timer] = 0
		if err := c.expireTimer(timer, at); err != nil {
			return err
		}
	}
	return nil
}

func (c *machine) expireTimer(timer int, at instant) *ConnError {
	switch timer {
	case settingsTimer:
		// RFC 9113 section 6.5.3
		return c.fail(CodeSettingsTimeout, "SETTINGS were not acknowledged in time")
	case blockTimer:
		return c.fail(CodeEnhanceYourCalm, "header block was not completed in time")
	case stallTimer:
		c.resetStalled(at)
	case keepAliveTimer:
		return c.keepAlive(at)
	default:
		return c.role.expire(timer, at)
	}
	return nil
}

// keepAlive sends a PING after silence, and ends the connection if silence follows.
func (c *machine) keepAlive(at instant) *ConnError {
	cfg := &c.sh.cfg
	silent := at - c.lastInput
	switch {
	case silent < instant(cfg.KeepAlive):
		c.flags &^= pinged
		c.timers[keepAliveTimer] = moment.After(c.lastInput, cfg.KeepAlive)
	case c.flags&pinged == 0:
		c.flags |= pinged
		c.out = appendPing(c.output(), 0, pingKeepAlive)
		c.timers[keepAliveTimer] = moment.After(at, cfg.KeepAliveTimeout)
	default:
		return c.fail(CodeNoError, "keep-alive was not answered")
	}
	return nil
}

// stall records that a window of the peer's blocks st, until leastProgress bytes have left.
func (c *machine) stall(st *stream) {
	if st.since == 0 {
		st.since = c.sh.now
		c.stats().StreamWindow.Times++
		c.watchStalls()
	}
}

// unblock records that content of st has left, or is not waiting any more.
func (c *machine) unblock(st *stream) {
	if st.since != 0 {
		c.stats().StreamWindow.Lasted += time.Duration(c.sh.now - st.since)
		st.since = 0
	}
}

func (c *machine) stallConnection() {
	if c.stalledAt == 0 {
		c.stalledAt = c.sh.now
		c.stats().ConnWindow.Times++
		c.watchStalls()
	}
}

// unblockConnection records that content has left, or that none is waiting.
func (c *machine) unblockConnection() {
	if c.stalledAt != 0 {
		c.stats().ConnWindow.Lasted += time.Duration(c.sh.now - c.stalledAt)
		c.stalledAt = 0
	}
}

// trickle records n bytes sent in a frame that a window kept below leastProgress. They count as
// progress only once they add up to leastProgress, so windows that open byte by byte cannot hold a
// response for ever.
func (c *machine) trickle(st *stream, n int) {
	c.stall(st)
	if st.trickled += int32(n); st.trickled >= leastProgress {
		c.unblock(st)
		st.since, st.trickled = c.sh.now, 0
	}
	if c.trickled += int32(n); c.stalledAt != 0 && c.trickled >= leastProgress {
		c.unblockConnection()
		c.stalledAt, c.trickled = c.sh.now, 0
	}
}

func (c *machine) watchStalls() {
	if c.timers[stallTimer] == 0 {
		c.setTimer(stallTimer, c.sh.cfg.StallTimeout)
	}
}

// resetStalled resets the streams that have been blocked for StallTimeout, and sets the timer for the
// next one.
func (c *machine) resetStalled(at instant) {
	timeout := c.sh.cfg.StallTimeout
	var late []*stream
	next := instant(0)
	for st := range c.streams.all {
		if st.flags&early != 0 {
			continue
		}
		since := c.blockedSince(st)
		due := moment.After(since, timeout)
		switch {
		case since == 0:
		case due <= at:
			late = append(late, st)
		case next == 0 || due < next:
			next = due
		}
	}
	c.resetBlocked(late, "windows stayed closed")
	c.timers[stallTimer] = next
}

// blockedSince returns since when a window of the peer's blocks content of st; 0: none does.
func (c *machine) blockedSince(st *stream) instant {
	since := st.since
	if c.queue != nil && st.list == c.queue.queue(st) && c.stalledAt != 0 && (since == 0 || c.stalledAt < since) {
		since = c.stalledAt
	}
	return since
}

// resetBlocked resets streams whose content windows of the peer's have blocked.
func (c *machine) resetBlocked(late []*stream, reason string) {
	code := CodeEnhanceYourCalm
	if c.flags&asClient != 0 {
		code = CodeCancel
	}
	for _, st := range late {
		c.stats().Stalled++
		c.notice(c.resetNotice(st, code, reason))
		c.queueReset(st, code)
	}
}

// SlowReading is the reason in the Reset event of a stream that CheckReaders has reset.
const SlowReading = "the response is read too slowly"

// WindowsClosed reports whether windows of the peer's have held up content within the last StallTimeout.
func (c *machine) WindowsClosed() bool { return c.timers[stallTimer] != 0 }

// CheckReaders marks the streams whose content a window of the peer's blocks, and returns their number. With reset it
// first resets those of them that the last call has marked and that had content to send all the time since; a Reset
// event follows for each. Tunnels are spared. Call Next and Transmit after it.
func (c *machine) CheckReaders(reset bool) (blocked int) {
	if c.err != nil {
		return 0
	}
	var late []*stream
	for st := range c.streams.all {
		switch {
		case st.flags&(early|tunnel) != 0 || c.blockedSince(st) == 0:
			st.flags &^= lagging
		case reset && st.flags&lagging != 0:
			late = append(late, st)
		default:
			st.flags |= lagging
			blocked++
		}
	}
	c.resetBlocked(late, SlowReading)
	return blocked
}
