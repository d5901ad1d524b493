package h2

// A peer that has sent its last byte may still read. Its responses are sent as far as the windows
// allow that are open at that time: no window will open again.

// EOF records that the peer has sent its last byte. Incomplete requests get a Reset event, and
// tunnels a Data event with End. Complete requests can still be answered; Done reports true once
// nothing more can be sent. Call Next while Noticed reports true, then Transmit. If streams are open
// a PING is queued: the kernel of a peer that has closed its socket answers with a reset, while one
// that has only half-closed ignores it.
func (c *Conn) EOF() {
	if !c.advance(inputEnds) {
		return
	}
	// No input is awaited any more.
	age := c.timers[ageTimer]
	c.timers = [timers]instant{ageTimer: age}
	if c.block != nil {
		c.sh.giveBlock(c.block)
		c.block = nil
	}
	for _, st := range c.streamsWhere(func(st *stream) bool { return st.state.allows(recvEnd) }) {
		switch {
		case st.flags&early != 0:
			c.cutOff(st)
		case st.flags&tunnel != 0:
			c.notice(notice{kind: Data, end: true, stream: st.id, value: st.value})
			c.ended(st)
		default:
			// RFC 9113 section 8.1: without END_STREAM the request is malformed.
			c.giveUp(st, CodeCancel)
		}
	}
	if c.streams.count > 0 {
		c.out = appendPing(c.output(), 0, pingEOF)
	}
}

// streamsWhere returns the streams that match, which the caller may then close.
func (c *machine) streamsWhere(match func(*stream) bool) (list []*stream) {
	for st := range c.streams.all {
		if match(st) {
			list = append(list, st)
		}
	}
	return list
}

// giveUp resets a stream that cannot be completed. A Reset event follows.
func (c *machine) giveUp(st *stream, code ErrCode) {
	c.notice(c.resetNotice(st, code, ""))
	c.queueReset(st, code)
}

// giveUpBlocked resets the streams whose content waits for a window, after EOF.
func (c *machine) giveUpBlocked() {
	if c.life != ended || c.streams.count == 0 {
		return
	}
	for _, st := range c.streamsWhere(c.blocked) {
		if st.source == nil || !c.endIfOver(st) {
			c.giveUp(st, CodeCancel)
		}
	}
}

func (c *machine) blocked(st *stream) bool {
	return st.flags&(answered|dry|held) == answered && st.state.allows(sendData) && min(st.sendWindow, c.sendWindow) <= 0
}
