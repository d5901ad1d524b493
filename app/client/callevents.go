package client

import (
	"fmt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/spi"
)

// callEvents is a Call as its connection and its deadline see it.
type callEvents Call

// Interim implements spi.CallEvents.
func (e *callEvents) Interim(status int, fields app.Fields) {
	c := (*Call)(e)
	c.heard()
	if status == 100 {
		c.loop.deadlines.Clear(&c.entry)
	}
	if c.upload != nil {
		c.upload.forget()
	}
	c.events.Interim(status, fields)
}

// Head implements spi.CallEvents.
func (e *callEvents) Head(in *spi.Incoming) {
	c := (*Call)(e)
	c.heard()
	c.loop.deadlines.Clear(&c.tryBy)
	if c.mayRepeatAfter(in.Status) {
		c.dropTry()
		c.state = callIdle
		c.again(&Error{Kind: UpstreamReset, Sent: true, Err: &app.StatusError{Status: in.Status}})
		return
	}
	c.state, c.out = callHeaded, nil
	c.loop.deadlines.Clear(&c.entry)
	switch {
	case c.conn.http2 && isLong(in):
		c.round = c.pool.lasting.begin(c.up.Tunnel())
	case !c.conn.http2:
		limit := durationOr(c.origin.options.Idle, defaultIdleHTTP1)
		c.conn.keep = keepAlive(in.Fields, limit)
	}
	if c.upload != nil {
		c.upload.forget()
	}
	c.events.Head(in)
}

// Ended implements spi.CallEvents.
func (e *callEvents) Ended(err error) {
	c := (*Call)(e)
	if err == nil {
		c.leave()
		c.end(nil)
		return
	}
	c.failed(asError(err))
}

// Expired implements deadline.Expirer.
func (e *callEvents) Expired(entry *deadline.Entry) {
	c := (*Call)(e)
	if entry == &c.tryBy {
		c.endTry()
		return
	}
	switch c.state {
	case callWaiting:
		c.pool.dequeue(c)
		c.failed(c.waitError())
	case callStarted:
		c.up.Proceed()
	}
}

// isLong reports whether the content of a response may take long.
func isLong(in *spi.Incoming) bool { return in.ContentLength < 0 || in.ContentLength > bulkSize }

// endTry ends a try that takes too long.
func (c *Call) endTry() {
	err := &Error{Kind: HeadTimeout, Err: fmt.Errorf("%s: %w: %v", c.out.Method, errTryTimeout, c.retry.Timeout)}
	switch c.state {
	case callWaiting:
		c.pool.dequeue(c)
		err.Safe = true
	case callStarted:
		c.dropTry()
		err.Sent = true
	default:
		return // it has failed
	}
	c.failed(err)
}

func (c *Call) heard() { c.conn.heard = c.loop.now() }
