package h2

// A response may be complete before its request is. The request then gets a little time to end by
// itself, since most do: what the peer has a window for is taken and dropped, and its mistakes
// are still told. Only a request that goes on is cut off, which RFC 9113 section 8.1 does with
// RST_STREAM and NO_ERROR; not every client takes that well.

// awaitEnd lets the request of st end, if it can without another window.
func (c *Conn) awaitEnd(st *stream) {
	if st.expected > int64(st.recvWindow) {
		c.cutOff(st)
		return
	}
	st.since = c.sh.now
	c.early.push(st)
	if c.timers[earlyTimer] == 0 {
		c.setTimer(earlyTimer, earlyGrace)
	}
}

// cutOff tells the peer that the rest of the request is not wanted.
func (c *Conn) cutOff(st *stream) {
	c.giveUp(st, CodeNoError)
}

// cutOffLate ends the requests whose time is over; those that wait are in the order of time.
func (c *Conn) cutOffLate(at instant) {
	for c.early.head != nil {
		if due := c.early.head.since + instant(earlyGrace); due > at {
			c.timers[earlyTimer] = due
			return
		}
		c.cutOff(c.early.head)
	}
}
