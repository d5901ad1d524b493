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
		c.takeNotice(ev)
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
			c.takeNotice(ev)
			return n, nil
		}
	}
}

// step consumes one frame, or what there is of one whose payload need not be whole. It consumes
// nothing when more is needed.
func (c *Conn) step(b []byte, ev *Event) (int, *ConnError) {
	switch c.input {
	case inData, inLastData:
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
		c.input = awaitSettings
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
		if h.typ == frameHeaders {
			c.timeBlock()
		}
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

// skipStep discards what has come of what is to be skipped.
func (c *Conn) skipStep(b []byte) int {
	n := min(len(b), int(c.rest))
	if c.rest -= uint32(n); c.rest == 0 {
		c.input = awaitFrame
	}
	return n
}

// admit applies the rules that a frame header alone can break.
func (c *Conn) admit(h frameHeader) *ConnError {
	if c.block != nil && (h.typ != frameContinuation || h.stream != c.block.stream) {
		// RFC 9113 section 6.10: nothing may come between the frames of a header block.
		return c.fail(CodeProtocolError, "header block is not complete")
	}
	if c.input == awaitSettings && (h.typ != frameSettings || h.has(flagAck)) {
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
		return c.ping(h, payload)
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
func (c *Conn) absent(id StreamID) streamState {
	if id&1 == 0 || id > c.history.last {
		return idle
	}
	return closed
}
