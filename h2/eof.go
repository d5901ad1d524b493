package h2

// A peer that has sent its last byte may still read. What its requests are owed leaves as far as
// the windows allow that are open now, since no other will ever be opened.

// EOF tells that the peer has sent its last byte. Requests that are incomplete get a Reset event;
// a tunnel that CONNECT opened gets its end as a Data event. Complete requests can still be
// answered, and Done is true once nothing more can be sent. Call Next while Noticed is true, and
// Transmit. If requests are open a PING is queued, which a peer that has left altogether answers
// with a reset of the connection; one that has only half-closed cannot acknowledge it.
func (c *Conn) EOF() {
	if !c.advance(inputEnds) {
		return
	}
	// Nothing is awaited of the peer any more.
	age := c.timers[ageTimer]
	c.timers = [timers]instant{ageTimer: age}
	if c.block != nil {
		c.sh.giveBlock(c.block)
		c.block = nil
	}
	for _, st := range c.those(func(st *stream) bool { return st.state.allows(recvEnd) }) {
		switch {
		case st.list == &c.early:
			c.cutOff(st)
		case st.flags&tunnel != 0:
			c.notice(notice{kind: Data, stream: st.id, value: st.value})
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

// those gathers the streams that match, so that they can be closed.
func (c *Conn) those(match func(*stream) bool) (list []*stream) {
	for st := range c.streams.all {
		if match(st) {
			list = append(list, st)
		}
	}
	return list
}

// giveUp resets a stream that cannot be completed and leaves a Reset event.
func (c *Conn) giveUp(st *stream, code ErrCode) {
	c.notice(notice{kind: Reset, code: code, stream: st.id, value: st.value})
	c.queueReset(st, code)
}

// giveUpBlocked gives up the responses whose content waits for a window that stays closed.
func (c *Conn) giveUpBlocked() {
	if c.life != ended || c.streams.count == 0 {
		return
	}
	for _, st := range c.those(c.blocked) {
		if st.source == nil || !c.endIfOver(st) {
			c.giveUp(st, CodeCancel)
		}
	}
}

func (c *Conn) blocked(st *stream) bool {
	return st.flags&(answered|dry) == answered && st.state.allows(sendData) && min(st.sendWindow, c.sendWindow) <= 0
}
