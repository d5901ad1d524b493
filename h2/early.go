package h2

// A response may be complete before its request. The request then has earlyGrace to end, as most do:
// its content is discarded, within the windows that are open. Only a request that goes on is cut off
// with RST_STREAM and NO_ERROR (RFC 9113 section 8.1). Clients that read the two together, curl 7.88
// among them, drop the response and report a failure.

// awaitEnd gives the request of st earlyGrace to end.
func (c *Conn) awaitEnd(st *stream) {
	st.since = c.sh.now
	c.early.push(st)
	if c.timers[earlyTimer] == 0 {
		c.setTimer(earlyTimer, earlyGrace)
	}
}

// cutOff resets st: the rest of its request is not needed.
func (c *Conn) cutOff(st *stream) {
	c.giveUp(st, CodeNoError)
}

// cutOffLate cuts off the requests whose grace is over. c.early is in the order of time.
func (c *Conn) cutOffLate(at instant) {
	for c.early.head != nil {
		if due := c.early.head.since + instant(earlyGrace); due > at {
			c.timers[earlyTimer] = due
			return
		}
		c.cutOff(c.early.head)
	}
}
