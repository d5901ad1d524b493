package h2

// Early responses: those that are complete before their request. Content of the request is then
// discarded, within the open windows. A request that has not ended after earlyGrace is reset with
// RST_STREAM and NO_ERROR (RFC 9113 section 8.1). It is not reset at once, since clients that read the
// response and RST_STREAM together, such as curl 7.88, drop the response and report a failure.

// awaitEnd gives the request of st earlyGrace to end.
func (c *Conn) awaitEnd(st *stream) {
	st.since = c.sh.now
	st.flags |= early
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
