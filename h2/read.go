package h2

// Preface is the start of a client's connection preface (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Next consumes the first n bytes of in and sets ev to the event that they cause. Call it again with
// the rest of in until the event is NeedMore, then with more input after the unconsumed bytes. in may
// be empty: events that Transmit, Expire and EOF have caused come first, so call Next after them while
// Noticed reports true.
//
// The error is a *ConnError and is sticky; all input is consumed then. A stream error is a Reset event.
func (c *machine) Next(in []byte, ev *Event) (n int, err error) {
	poisonLent(ev)
	if c.notices != nil {
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
		if c.notices != nil {
			c.takeNotice(ev)
			return n, nil
		}
	}
}

// step consumes one frame, or a part of one whose payload is handled in parts. It consumes nothing if
// it needs more input.
func (c *machine) step(b []byte, ev *Event) (int, *ConnError) {
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
	return frameHeaderLen + int(h.length), c.completeFrame(h, b[:h.length:h.length], ev)
}

// skip has the next n bytes discarded.
func (c *machine) skip(n uint32) {
	c.input, c.rest = awaitFrame, n
	if n > 0 {
		c.input = inSkip
	}
}

// skipStep discards bytes that are to be skipped.
func (c *machine) skipStep(b []byte) int {
	n := min(len(b), int(c.rest))
	if c.rest -= uint32(n); c.rest == 0 {
		c.input = awaitFrame
	}
	return n
}

// admit checks a frame header.
func (c *machine) admit(h frameHeader) *ConnError {
	if c.block != nil && (h.typ != frameContinuation || h.stream != c.block.stream) {
		// RFC 9113 section 6.10: nothing may come between the frames of a header block.
		return c.fail(CodeProtocolError, "header block is not complete")
	}
	if c.input == awaitSettings && (h.typ != frameSettings || h.has(flagAck)) {
		// RFC 9113 section 3.4: the preface ends with a SETTINGS frame.
		return c.fail(CodeProtocolError, "SETTINGS is missing")
	}
	if !checkSize(h, c.sh.cfg.MaxFrameSize) {
		// RFC 9113 section 4.2 makes some of these stream errors. A connection error is always
		// allowed instead (section 5.4.1), and safer with a peer that miscounts.
		return c.fail(CodeFrameSizeError, "frame size")
	}
	return nil
}

// completeFrame handles a frame that is read whole.
func (c *machine) completeFrame(h frameHeader, payload []byte, ev *Event) *ConnError {
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
	case frameWindowUpdate:
		return c.windowUpdate(h, payload)
	default:
		return c.role.frame(h, payload, ev)
	}
}

// absent returns the state of a stream that is not open. RFC 9113 section 5.1.1: a new stream closes the
// idle ones below it.
func (c *machine) absent(id StreamID) streamState {
	if id&1 == 0 || id > c.history.last {
		return idle
	}
	return closed
}
