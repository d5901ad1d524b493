package h2

// Preface is what a client sends first (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Next interprets what the peer sent: it consumes the first n bytes of in and fills ev with the
// one event that they amount to. The caller keeps the rest and calls again, with the rest alone
// while events come, and with more bytes behind it after NeedMore. in may be empty: what Transmit
// and Expire did to streams is told first, so call Next after them while Noticed is true.
//
// A *ConnError is sticky; all input is consumed then. A stream error is a Reset event.
func (c *Conn) Next(in []byte, ev *Event) (n int, err error) {
	poisonLent(ev)
	if len(c.notices) > 0 {
		c.noticed(ev)
		return 0, nil
	}
	if c.err != nil {
		ev.Kind = NeedMore
		return len(in), c.err
	}
	if len(in) > 0 {
		c.lastInput = c.sh.now
	}
	ev.Kind = NeedMore
	for {
		used, e := c.step(in[n:], ev)
		n += used
		if e != nil {
			return len(in), e
		}
		if ev.Kind != NeedMore || used == 0 {
			return n, nil
		}
		if len(c.notices) > 0 {
			c.noticed(ev)
			return n, nil
		}
	}
}

// step consumes one frame, or what there is of one whose payload need not be whole. It consumes
// nothing when more is needed.
func (c *Conn) step(b []byte, ev *Event) (int, *ConnError) {
	switch c.input {
	case inData:
		return c.dataStep(b, ev), nil
	case inSkip:
		return c.skipStep(b), nil
	case awaitPreface:
		n := min(len(b), len(Preface))
		if string(b[:n]) != Preface[:n] {
			// RFC 9113 section 3.4: an invalid preface is a PROTOCOL_ERROR.
			return n, c.fail(CodeProtocolError, "invalid preface")
		}
		if n < len(Preface) {
			return 0, nil
		}
		c.input = awaitFrame
		return n, nil
	}
	if len(b) < frameHeaderLen {
		return 0, nil
	}
	h := parseFrameHeader(b)
	if err := c.admit(h); err != nil {
		return 0, err
	}
	b = b[frameHeaderLen:]
	if h.typ == frameData {
		return c.dataFrame(h, b, ev)
	}
	if h.typ > frameContinuation && h.typ != framePriorityUpdate {
		// RFC 9113 section 5.5: frames of unknown types are discarded.
		if err := c.spend(UnknownBudget); err != nil {
			return 0, err
		}
		c.skip(h.length)
		return frameHeaderLen, nil
	}
	if uint32(len(b)) < h.length {
		return 0, nil
	}
	return frameHeaderLen + int(h.length), c.frame(h, b[:h.length:h.length], ev)
}

// skip discards the next n bytes as they come.
func (c *Conn) skip(n uint32) {
	c.input, c.rest = awaitFrame, n
	if n > 0 {
		c.input = inSkip
	}
}

// admit applies the rules that a frame header alone can break.
func (c *Conn) admit(h frameHeader) *ConnError {
	if c.block != nil && (h.typ != frameContinuation || h.stream != c.block.stream) {
		// RFC 9113 section 6.10: nothing may come between the frames of a header block.
		return c.fail(CodeProtocolError, "header block is not complete")
	}
	if c.flags&gotSettings == 0 && (h.typ != frameSettings || h.has(flagAck)) {
		// RFC 9113 section 3.4: the preface ends with a SETTINGS frame.
		return c.fail(CodeProtocolError, "SETTINGS is missing")
	}
	if !checkSize(h, c.sh.cfg.MaxFrameSize) {
		// RFC 9113 section 4.2 makes some of these stream errors at most; the connection may
		// always be ended instead (section 5.4), and such a peer cannot be trusted to count.
		return c.fail(CodeFrameSizeError, "frame size")
	}
	return nil
}

// frame acts on a frame that has come whole.
func (c *Conn) frame(h frameHeader, payload []byte, ev *Event) *ConnError {
	switch h.typ {
	case frameHeaders:
		return c.headers(h, payload, ev)
	case frameContinuation:
		return c.continuation(h, payload, ev)
	case framePriority:
		return c.dependency(h, payload)
	case frameReset:
		return c.resetByPeer(h, payload, ev)
	case frameSettings:
		return c.settings(h, payload)
	case framePing:
		return c.ping(h, payload, ev)
	case frameGoaway:
		return c.goaway(h, payload, ev)
	case frameWindowUpdate:
		return c.windowUpdate(h, payload)
	case framePriorityUpdate:
		return c.priorityUpdate(h, payload)
	default:
		// RFC 9113 section 8.4: a client cannot push.
		return c.fail(CodeProtocolError, "PUSH_PROMISE from a client")
	}
}

// absent tells the state of a stream that has no storage: RFC 9113 section 5.1.1 closes the idle
// ones below the highest that was used.
func (c *Conn) absent(id StreamID) State {
	if id&1 == 0 || id > c.history.last {
		return Idle
	}
	return Closed
}

// streamError resets st for the peer's mistake and leaves a Reset event.
func (c *Conn) streamError(st *stream, code ErrCode) *ConnError {
	c.sh.Stats.Malformed++
	c.notice(notice{kind: Reset, code: code, stream: st.id, value: st.value})
	if err := c.spend(ProvokedBudget); err != nil {
		return err
	}
	return c.abandon(st, code)
}

// afterEnd is for a frame that comes after the peer's END_STREAM: RFC 9113 section 5.1 makes it a
// stream error of type STREAM_CLOSED.
func (c *Conn) afterEnd(st *stream) *ConnError { return c.streamError(st, CodeStreamClosed) }

// resetByPeer ends a stream by RFC 9113 section 6.4.
func (c *Conn) resetByPeer(h frameHeader, payload []byte, ev *Event) *ConnError {
	st := c.streams.find(h.stream)
	if st == nil {
		if !c.absent(h.stream).allows(recvReset) {
			return c.fail(CodeProtocolError, "RST_STREAM on an idle stream")
		}
		return c.spend(StrayBudget)
	}
	if err := c.spend(ResetBudget); err != nil {
		return err
	}
	c.sh.Stats.PeerResets++
	ev.Kind, ev.Code, ev.Stream, ev.Value, ev.End = Reset, parseCode(payload), st.id, st.value, false
	c.closeStream(st)
	return nil
}

// dataFrame begins a DATA frame (RFC 9113 section 6.1), whose content is handed on as it comes.
func (c *Conn) dataFrame(h frameHeader, b []byte, ev *Event) (int, *ConnError) {
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
	st.recvWindow -= int32(h.length)
	st.unconsumed += int32(content)
	c.unconsumed += int64(content)
	c.creditConnection()
	if overhead := h.length - content; overhead > 0 {
		c.creditStream(st, int32(overhead))
	}
	c.flags &^= dataEnds
	switch {
	case h.has(flagEndStream):
		c.flags |= dataEnds
	case content == 0:
		return used, c.spend(EmptyBudget)
	}
	c.input, c.rest, c.data = inData, content, h.stream
	if content == 0 {
		c.dataStep(nil, ev)
	}
	return used, nil
}

// strayData discards DATA for a stream that has no storage. What it took of the connection's
// window is credited at once.
func (c *Conn) strayData(h frameHeader) *ConnError {
	if c.absent(h.stream) == Idle {
		return c.fail(CodeProtocolError, "DATA on an idle stream")
	}
	_, _, reset := c.history.recall(h.stream)
	if !reset || h.length < leastProgress {
		if err := c.spend(StrayBudget); err != nil {
			return err
		}
	}
	c.creditConnection()
	if reset {
		// RFC 9113 section 5.4.2: it was on its way when we reset the stream. Uploads that are
		// answered early leave much of that behind, which the stream's window bounds.
		return nil
	}
	return c.refuse(h.stream, CodeStreamClosed)
}

// dataAllowed checks a DATA frame against its stream; when it is not allowed the stream is reset.
func (c *Conn) dataAllowed(st *stream, h frameHeader, content uint32) (*ConnError, bool) {
	if !st.state.allows(recvData) {
		return c.afterEnd(st), false
	}
	if int64(h.length) > int64(st.recvWindow) {
		return c.streamError(st, CodeFlowControlError), false
	}
	if st.expected >= 0 {
		// RFC 9113 section 8.1.1: content-length is the sum of the DATA frames.
		st.expected -= int64(content)
		if st.expected < 0 || st.expected > 0 && h.has(flagEndStream) {
			return c.streamError(st, CodeProtocolError), false
		}
	}
	return nil, true
}

// dataStep hands on what has come of a DATA frame's content.
func (c *Conn) dataStep(b []byte, ev *Event) int {
	st := c.streams.find(c.data)
	if st == nil {
		// The application reset the stream in the middle of the frame.
		c.skip(c.rest + uint32(c.padded))
		return c.skipStep(b)
	}
	n := min(len(b), int(c.rest))
	if n == 0 && c.rest > 0 {
		return 0
	}
	c.rest -= uint32(n)
	ev.Kind, ev.Stream, ev.Value, ev.Data, ev.End = Data, st.id, st.value, lend(b[:n:n]), false
	if c.rest == 0 {
		c.skip(uint32(c.padded))
		if c.flags&dataEnds != 0 {
			ev.End = true
			c.ended(st)
		}
	}
	return n
}

func (c *Conn) skipStep(b []byte) int {
	n := min(len(b), int(c.rest))
	if c.rest -= uint32(n); c.rest == 0 {
		c.input = awaitFrame
	}
	return n
}
