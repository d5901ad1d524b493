package h2

// dataFrame reads the start of a DATA frame (RFC 9113 section 6.1); dataStep delivers its content.
func (c *machine) dataFrame(h frameHeader, b []byte, ev *Event) (int, *ConnError) {
	used, content := frameHeaderLen, h.length
	c.padded = 0
	if h.has(flagPadded) {
		if len(b) == 0 {
			return 0, nil
		}
		used++
		content--
		if c.padded = b[0]; uint32(c.padded) > content {
			return used, c.fail(CodeProtocolError, "padding exceeds the frame")
		}
		content -= uint32(c.padded)
	}
	if err := c.received(h.length); err != nil {
		return used, err
	}
	c.skip(h.length - uint32(used-frameHeaderLen))
	st := c.streams.find(h.stream)
	if st == nil {
		return used, c.strayData(h)
	}
	if err, ok := c.dataAllowed(st, h, content); !ok {
		c.creditConnection()
		return used, err
	}
	if st.flags&long != 0 {
		c.measure()
	}
	st.recvWindow -= int32(h.length)
	st.unconsumed += int32(content)
	c.unconsumed += int64(content)
	c.creditConnection()
	if overhead := h.length - content; overhead > 0 {
		st.credit += int32(overhead)
		c.creditStream(st)
	}
	c.input = inData
	switch {
	case h.has(flagEndStream):
		c.input = inLastData
	case content == 0:
		c.skip(uint32(c.padded))
		return used, c.spend(EmptyBudget)
	}
	c.rest, c.data = content, h.stream
	if content == 0 {
		c.dataStep(nil, ev)
	}
	return used, nil
}

// strayData discards DATA for a stream that is not open. The connection's window is credited at once.
func (c *machine) strayData(h frameHeader) *ConnError {
	if c.absent(h.stream) == idle {
		return c.fail(CodeProtocolError, "DATA on an idle stream")
	}
	known, _, reset := c.history.recall(h.stream)
	if !reset || h.length < leastProgress {
		if err := c.spend(StrayBudget); err != nil {
			return err
		}
	}
	c.creditConnection()
	if reset || !known && c.flags&asClient != 0 {
		// RFC 9113 section 5.4.2: the frame was in flight when we reset the stream. The stream's
		// window bounds how much follows an upload that was answered early.
		return nil
	}
	return c.refuse(h.stream, CodeStreamClosed)
}

// dataAllowed reports whether a DATA frame fits its stream. If it does not, the stream is reset.
func (c *machine) dataAllowed(st *stream, h frameHeader, content uint32) (*ConnError, bool) {
	if !st.state.allows(recvData) {
		return c.outOfState(st), false
	}
	if int64(h.length) > int64(st.recvWindow) {
		return c.streamError(st, CodeFlowControlError, "DATA exceeds the stream's window"), false
	}
	if st.expected >= 0 {
		// RFC 9113 section 8.1.1: the DATA frames must add up to content-length.
		st.expected -= int64(content)
		if st.expected < 0 || st.expected > 0 && h.has(flagEndStream) {
			return c.role.malformedContent(st, 400, "content differs from its content-length", CodeProtocolError), false
		}
	}
	return nil, true
}

// dataStep delivers the part of a DATA frame's content that has arrived.
func (c *machine) dataStep(b []byte, ev *Event) int {
	st := c.streams.find(c.data)
	if st == nil {
		// The application has reset the stream in the middle of the frame.
		c.skip(c.rest + uint32(c.padded))
		return c.skipStep(b)
	}
	n := min(len(b), int(c.rest))
	if n == 0 && c.rest > 0 {
		return 0
	}
	last := c.input == inLastData
	c.rest -= uint32(n)
	ev.Kind, ev.Stream, ev.Value, ev.Data, ev.End = Data, st.id, st.value, lend(b[:n:n]), false
	if c.rest == 0 {
		c.skip(uint32(c.padded))
		if last {
			ev.End = true
			c.ended(st)
		}
	}
	return n
}
