package h2

import "io"

// output gives the queue of encoded frames for appending.
func (c *Conn) output() []byte {
	if c.out == nil {
		c.out = c.sh.takeBuffer()
	}
	return c.out
}

func (c *Conn) releaseOutput() {
	if c.out != nil {
		c.sh.giveBuffer(c.out)
	}
	c.out, c.pulled, c.answers = nil, 0, 0
}

// answer keeps out, to which a frame was appended because of what the peer did. A peer that
// makes us answer and reads nothing is cut off before much waits (CVE-2019-9517).
func (c *Conn) answer(out []byte) *ConnError {
	c.out = out
	if c.answers++; c.answers > maxAnswers && c.err == nil {
		return c.calm(QueueBudget)
	}
	return nil
}

// Wanting reports whether Transmit would append something.
func (c *Conn) Wanting() bool {
	return c.out != nil || c.err == nil && c.queue != nil && c.sendWindow > 0
}

// Transmit appends to dst what may be sent now, about room bytes at most (it may exceed them by a
// trailer section or a frame of 1 KiB). dst comes back unchanged when there is nothing to send.
// It calls Read of the responses' Sources, which may give commands, but not call Next, Transmit
// or Expire.
func (c *Conn) Transmit(dst []byte, room int) []byte {
	limit := len(dst) + room
	for range maxPulls {
		// What is encoded goes first: a response's head is among it.
		dst = c.transmitOutput(dst, limit)
		if c.err != nil || c.out != nil {
			return dst
		}
		if c.queue == nil || c.sendWindow <= 0 || len(dst) >= limit {
			break
		}
		dst = c.transmitContent(dst, max(limit-len(dst)-frameHeaderLen, leastFrame))
	}
	if c.queue != nil && c.sendWindow <= 0 {
		c.stallConnection()
	}
	if c.out != nil && len(dst) < limit {
		dst = c.transmitOutput(dst, limit)
	}
	return dst
}

// transmitOutput moves encoded frames to dst.
func (c *Conn) transmitOutput(dst []byte, limit int) []byte {
	if c.out == nil || len(dst) >= limit {
		return dst
	}
	n := min(len(c.out)-c.pulled, limit-len(dst))
	dst = append(dst, c.out[c.pulled:c.pulled+n]...)
	if c.pulled += n; c.pulled == len(c.out) {
		c.releaseOutput()
	}
	return dst
}

// transmitContent appends one frame of the stream whose turn it is, of room bytes of content at
// most.
func (c *Conn) transmitContent(dst []byte, room int) []byte {
	st := c.queue.pick()
	window := int(min(st.sendWindow, c.sendWindow))
	size := min(room, window, frameContent, int(c.peerMaxFrame))
	cut := size == window && window < leastProgress
	if st.source != nil {
		return c.transmitSource(dst, st, size, cut)
	}
	n := min(size, len(st.bytes))
	end := n == len(st.bytes)
	flags := uint8(0)
	if end {
		flags = flagEndStream
	}
	dst = appendFrameHeader(dst, frameHeader{uint32(n), frameData, flags, st.id})
	dst = append(dst, st.bytes[:n]...)
	st.bytes = st.bytes[n:]
	c.sent(st, n, cut && !end)
	if end {
		c.finished(st)
	}
	return dst
}

// sent charges n bytes of content to the windows and lets others have their turn. cut: the
// peer's window made the frame small.
func (c *Conn) sent(st *stream, n int, cut bool) {
	st.sendWindow -= int32(n)
	c.sendWindow -= int32(n)
	if cut {
		c.stall(st)
	} else {
		c.work++
		st.since = 0
		c.stalledAt = 0
	}
	if st.sendWindow <= 0 {
		c.stall(st)
		c.unschedule(st)
		return
	}
	c.queue.rotate(st)
}

// transmitSource pulls content straight to its place behind the frame header.
func (c *Conn) transmitSource(dst []byte, st *stream, size int, cut bool) []byte {
	start := len(dst)
	dst = extend(dst, frameHeaderLen+size)
	id, p := st.id, dst[start+frameHeaderLen:]
	st.flags |= dry // until proved otherwise, by content or by a Resume from inside Read
	n, err := pull(st.source, p)
	if st.id != id || c.streams.find(id) != st {
		return dst[:start] // reset from inside Read
	}
	dst = dst[:start+frameHeaderLen+n]
	if err != nil && err != io.EOF || st.left >= 0 && wrongLength(st.left, int64(n), err) {
		return c.brokenSource(dst[:start], st)
	}
	if st.left >= 0 {
		st.left -= int64(n)
	}
	switch {
	case err == io.EOF:
		return c.endSource(dst, start, st, n)
	case n == 0:
		st.since = 0
		if st.flags&dry != 0 {
			c.unschedule(st)
		}
		return dst[:start]
	}
	st.flags &^= dry
	putFrameHeader(dst[start:], frameHeader{uint32(n), frameData, 0, id})
	c.sent(st, n, cut && n == size)
	return dst
}

// pull fills p as far as src has something now.
func pull(src Source, p []byte) (n int, err error) {
	for n < len(p) {
		var k int
		k, err = src.Read(p[n:])
		if k < 0 || k > len(p)-n {
			return n, io.ErrShortBuffer
		}
		n += k
		if k == 0 || err != nil {
			return n, err
		}
	}
	return n, nil
}

// wrongLength reports that n more bytes do not fit a response of which left bytes are due.
func wrongLength(left, n int64, err error) bool { return n > left || n < left && err == io.EOF }

// brokenSource resets a stream whose content failed or has another length than was announced:
// the peer must not take what came for the whole (RFC 9113 section 8.1.1).
func (c *Conn) brokenSource(dst []byte, st *stream) []byte {
	c.notice(notice{kind: Reset, code: CodeInternalError, stream: st.id, value: st.value})
	c.queueReset(st, CodeInternalError)
	return dst
}

// endSource ends a response whose last n bytes of content stand behind start.
func (c *Conn) endSource(dst []byte, start int, st *stream, n int) []byte {
	var fields []Field
	if src, ok := st.source.(TrailerSource); ok {
		fields = src.Trailers()
	}
	flags := uint8(flagEndStream)
	if len(fields) > 0 {
		flags = 0
	}
	if n > 0 || flags != 0 {
		putFrameHeader(dst[start:], frameHeader{uint32(n), frameData, flags, st.id})
	} else {
		dst = dst[:start]
	}
	if len(fields) > 0 {
		block := len(dst)
		var ok bool
		dst, _ = c.beginBlock(dst)
		if dst, ok = appendFields(dst, fields); !ok {
			return c.brokenSource(dst[:start], st)
		}
		dst = c.endBlock(dst, block, st.id, flagEndStream)
	}
	c.sendWindow -= int32(n)
	c.finished(st)
	return dst
}

// extend gives dst n more bytes, whose content is arbitrary.
func extend(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst[:len(dst)+n]
	}
	return append(dst, make([]byte, n)...)
}
