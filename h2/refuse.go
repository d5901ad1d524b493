package h2

// Refusals: a malformed request gets a response with the reason as one sentence, then its stream is
// reset (RFC 9113 section 8.1.1). The refusal replaces a response of the application of which nothing
// was pulled.

var refusalType = Field{"content-type", "text/plain; charset=utf-8"}

// appendRefusal appends a complete response with reason as its content. The content is left out for a
// HEAD request, or if a window of the peer's is too small.
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

// refuseRequest answers a request that the application does not see, and resets its stream with code.
// A Refused event follows.
func (c *Conn) refuseRequest(id StreamID, status int, reason string, code ErrCode, head bool) *ConnError {
	c.notice(notice{kind: Refused, code: code, stream: id, status: status, reason: reason})
	if err := c.answer(c.appendRefusal(c.output(), id, status, reason, c.sendInitial, head)); err != nil {
		return err
	}
	return c.refuse(id, code)
}

// malformed refuses a request for its header section.
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

// malformedContent refuses a request for its content or trailers. It answers with status unless some of
// the application's response was pulled.
func (c *Conn) malformedContent(st *stream, status int, reason string, code ErrCode) *ConnError {
	n := notice{kind: Reset, code: code, stream: st.id, value: st.value, reason: reason}
	if replaced, ok := c.replaceResponse(st, status, reason); ok {
		n.status, n.withdrawn = status, replaced
	}
	return c.resetForMistake(st, n)
}

// Refuse replaces the response that was queued for stream id by one with that status, and reason as its
// content. It reports whether it could: nothing of the response may have been pulled, and it must not
// be complete.
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

// replaceResponse queues a refusal as the response of st, in the place of one that was queued, whose
// status it returns. ok is false if some of that was pulled, or if it is complete.
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
		c.flags &^= tableSizeSent // the block set the table's size, so its substitute must
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
