package h2

import "encoding/binary"

// Receiving: a stream's window opens as the application consumes its content. The connection's window
// opens on receipt, so that a stalled stream does not slow the others. In the server role the peer's
// window and the unconsumed content together stay within ConnectionBuffer. In the client role the
// connection's window is always open: one who stops reading a response must not stop the responses of
// others, and the streams, which the caller has opened, bound what is unconsumed.
// The windows of long content that is read as it arrives grow, see growth.

// received charges the payload of a DATA frame, including padding, to the connection's window (RFC
// 9113 section 6.9.1).
func (c *machine) received(length uint32) *ConnError {
	if int64(length) > int64(c.recvWindow) {
		return c.fail(CodeFlowControlError, "DATA exceeds the connection window")
	}
	c.recvWindow -= int32(length)
	c.returnReserved()
	return nil
}

// initialWindow returns the window of a stream that our SETTINGS announce.
func (c *machine) initialWindow() uint32 {
	if c.flags&asClient != 0 {
		return c.sh.cfg.ResponseWindow
	}
	return c.sh.cfg.InitialWindowSize
}

// leastCredit returns the least part of a window that a WINDOW_UPDATE opens: half of it; of a large one an eighth, so that
// the peer of a long path that may have the whole window in flight has nearly that.
func leastCredit(window int64) int64 {
	if window > largeWindow {
		return window / 8
	}
	return (window + 1) / 2
}

// creditConnection opens the connection's window once leastCredit of it can be opened.
func (c *machine) creditConnection() {
	cfg := &c.sh.cfg
	window, buffer := int64(cfg.ConnectionWindow), int64(cfg.ConnectionBuffer)
	if g := c.growth; g != nil && g.streams > 0 {
		buffer += g.reserved
		window = min(g.connection(cfg), buffer)
	}
	target := window
	if c.flags&asClient == 0 {
		target = min(window, buffer-c.unconsumed)
	}
	grow := target - int64(c.recvWindow)
	if grow < leastCredit(window) {
		return
	}
	c.recvWindow += int32(grow)
	c.out = appendWindowUpdate(c.output(), 0, uint32(grow))
}

// ReceiveWindow returns the bytes of content that the peer may still send on the connection.
func (c *machine) ReceiveWindow() int { return int(c.recvWindow) }

// creditStream opens the window of st by its credit once that is leastCredit of it. A request that has ended, or whose
// response is complete, gets none.
func (c *machine) creditStream(st *stream) {
	size := c.recvInitial
	if st.flags&grown != 0 {
		size = st.size()
	}
	if int64(st.credit) < leastCredit(int64(size)) || !st.state.allows(sendWindow) || st.flags&early != 0 {
		return
	}
	st.recvWindow += st.credit
	c.out = appendWindowUpdate(c.output(), st.id, uint32(st.credit))
	st.credit = 0
}

// Consumed records that the application has taken n bytes of content from Data events of stream id,
// and opens windows. It does nothing if the stream is gone: its content was credited then.
func (c *machine) Consumed(id StreamID, n int) {
	st := c.streams.find(id)
	if st == nil || c.err != nil {
		return
	}
	n = min(n, int(st.unconsumed))
	st.unconsumed -= int32(n)
	c.unconsumed -= int64(n)
	c.creditConnection()
	st.credit += int32(n)
	if g := c.growth; g != nil {
		g.consume(n, c.recvInitial, c.sh)
		c.shrinkStream(st)
	}
	c.growStream(st)
	c.creditStream(st)
}

// windowUpdate handles WINDOW_UPDATE: it opens a window that we send by.
func (c *machine) windowUpdate(h frameHeader, payload []byte) *ConnError {
	if err := c.spend(WindowBudget); err != nil {
		return err
	}
	increment := binary.BigEndian.Uint32(payload) & maxWindow
	st := c.streams.find(h.stream)
	if increment == 0 && st == nil {
		// RFC 9113 section 6.9: an increment of 0 is an error, of the connection if there is no
		// stream to reset.
		return c.fail(CodeProtocolError, "WINDOW_UPDATE of 0")
	}
	if h.stream == 0 {
		// RFC 9113 section 6.9.1: a window must not exceed 2^31-1.
		if int64(c.sendWindow)+int64(increment) > maxWindow {
			return c.fail(CodeFlowControlError, "connection window overflows")
		}
		c.sendWindow += int32(increment)
		return nil
	}
	if st == nil {
		if s := c.absent(h.stream); !s.allows(recvWindow) {
			return c.fail(CodeProtocolError, "WINDOW_UPDATE on an idle stream")
		}
		return nil
	}
	if increment == 0 {
		return c.streamError(st, CodeProtocolError, "WINDOW_UPDATE of 0")
	}
	if int64(st.sendWindow)+int64(increment) > maxWindow {
		return c.streamError(st, CodeFlowControlError, "stream window overflows")
	}
	st.sendWindow += int32(increment)
	c.schedule(st)
	return nil
}

// setPeerInitialWindow changes the windows of all streams by the difference to the old value (RFC
// 9113 section 6.9.2). They may become negative, but must not overflow.
func (c *machine) setPeerInitialWindow(size int32) *ConnError {
	delta := int64(size) - int64(c.sendInitial)
	c.sendInitial = size
	if delta == 0 {
		return nil
	}
	for st := range c.streams.all {
		if int64(st.sendWindow)+delta > maxWindow {
			return c.fail(CodeFlowControlError, "initial window overflows a stream's")
		}
		st.sendWindow += int32(delta)
		switch {
		case st.sendWindow > 0:
			c.schedule(st)
		case c.waits(st):
			c.unschedule(st)
			c.stall(st)
		}
	}
	return nil
}
