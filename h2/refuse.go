package h2

// A request that is refused for its form gets an answer with one sentence that says why, and its
// stream is reset behind that (RFC 9113 section 8.1.1). A response that the application has queued
// and of which nothing was pulled gives way to it.

var refusalType = Field{"content-type", "text/plain; charset=utf-8"}

// appendRefusal appends a whole response of that status with reason as its content, which is left
// out where a window of the peer's is too small for it, or for a HEAD request.
func (c *Conn) appendRefusal(dst []byte, id StreamID, status int, reason string, window int32, head bool) []byte {
	dst, start := c.beginBlock(dst)
	dst, _ = appendField(c.appendStatus(dst, status), &refusalType)
	size := len(reason) + 1 // a line
	omitted := head || size > int(min(window, c.sendWindow))
	if omitted && !head {
		size = 0
	}
	dst = appendContentLength(dst, int64(size))
	dst = append(dst, c.sh.date...)
	if omitted {
		return c.endBlock(dst, start, id, flagEndStream)
	}
	dst = c.endBlock(dst, start, id, 0)
	dst = appendFrameHeader(dst, frameHeader{uint32(size), frameData, flagEndStream, id})
	c.sendWindow -= int32(size)
	return append(append(dst, reason...), '\n')
}

// refuseRequest answers a request that the application never sees, and resets its stream with code.
// A Refused event follows.
func (c *Conn) refuseRequest(id StreamID, status int, reason string, code ErrCode, head bool) *ConnError {
	c.notice(notice{kind: Refused, code: code, stream: id, status: status, reason: reason})
	if err := c.answer(c.appendRefusal(c.output(), id, status, reason, c.sendInitial, head)); err != nil {
		return err
	}
	return c.refuse(id, code)
}

// malformed refuses a request for its head section.
func (c *Conn) malformed(id StreamID, reason string, head bool) *ConnError {
	if st := c.streams.find(id); st != nil {
		return c.malformedContent(st, 400, reason, CodeProtocolError)
	}
	c.sh.Stats.Malformed++
	if err := c.spend(ProvokedBudget); err != nil {
		return err
	}
	return c.refuseRequest(id, 400, reason, CodeProtocolError, head)
}

// malformedContent refuses a request for its content or its trailer section, with an answer unless
// the application's is on its way.
func (c *Conn) malformedContent(st *stream, status int, reason string, code ErrCode) *ConnError {
	n := notice{kind: Reset, code: code, stream: st.id, value: st.value, reason: reason}
	if replaced, ok := c.replaceResponse(st, status, reason); ok {
		n.status, n.withdrawn = status, replaced
	}
	return c.resetForMistake(st, n)
}

// Refuse answers stream id with status and reason in the place of a response that was queued and of
// which nothing was pulled. It reports whether that was possible; nothing has changed otherwise.
func (c *Conn) Refuse(id StreamID, status int, reason string) bool {
	st := c.streams.find(id)
	if st == nil || c.err != nil || st.flags&answered == 0 {
		return false
	}
	if _, ok := c.replaceResponse(st, status, reason); !ok {
		return false
	}
	c.finished(st)
	_ = c.provoked()
	return true
}

// replaceResponse queues a refusal as the response to st, where the head of the one that was queued
// stands, if any. It returns that one's status. ok is false if some of it was pulled, or all of it
// was queued.
func (c *Conn) replaceResponse(st *stream, status int, reason string) (replaced int, ok bool) {
	head := st.flags&headRequest != 0
	if st.flags&answered == 0 {
		if !st.state.allows(sendHeaders) {
			return 0, false
		}
		st.flags |= answered
		c.out = c.appendRefusal(c.output(), st.id, status, reason, st.sendWindow, head)
		return 0, true
	}
	if !st.state.allows(sendData) || c.out == nil || st.headAt < c.outAt+uint64(c.pulled) {
		return 0, false
	}
	at := int(st.headAt - c.outAt)
	end := at + int(st.headLen)
	if c.out[at+frameHeaderLen] == emptyTable {
		c.flags &^= tableSizeSent // this block has told it, so that its substitute must
	}
	behind := append([]byte(nil), c.out[end:]...)
	c.out = c.appendRefusal(c.out[:at], st.id, status, reason, st.sendWindow, head)
	moved := uint64(len(c.out) - end)
	c.out = append(c.out, behind...)
	for other := range c.streams.all {
		if other.headAt > st.headAt {
			other.headAt += moved
		}
	}
	return int(st.status), true
}
