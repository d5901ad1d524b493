package h2

import "io"

// output returns the queue of encoded frames, to be appended to.
func (c *machine) output() []byte {
	if c.out == nil {
		c.out = c.sh.takeBuffer()
	}
	return c.out
}

func (c *machine) releaseOutput() {
	if c.out != nil {
		c.outAt += uint64(len(c.out))
		c.sh.giveBuffer(c.out)
	}
	c.out, c.pulled, c.answers = nil, 0, 0
}

// Congested reports whether MaxUnsent bytes of complete responses wait for the peer. Callers should then
// not handle further requests until Transmit or a Reset event has changed that. They must go on
// reading frames, by which the peer opens its windows.
func (c *Conn) Congested() bool {
	return c.Unsent() >= int64(c.sh.cfg.MaxUnsent)
}

// Unsent returns the bytes of complete responses and of frames that wait for the peer.
func (c *Conn) Unsent() int64 { return c.unsent + int64(len(c.out)-c.pulled) }

// dropContent drops the content of st that is not encoded.
func (c *machine) dropContent(st *stream) {
	c.unsent -= int64(len(st.bytes))
	st.bytes, st.source = nil, nil
}

// answer stores out, to which an answer to the peer was appended. A peer that causes answers and reads
// nothing is cut off (CVE-2019-9517).
func (c *machine) answer(out []byte) *ConnError {
	c.out = out
	return c.provoked()
}

// provoked counts an encoded answer. A peer that keeps to MaxConcurrentStreams has read the answers to
// all but that many of its requests.
func (c *machine) provoked() *ConnError {
	c.answers++
	streams := int32(c.sh.cfg.MaxConcurrentStreams)
	if c.err == nil && (c.answers > max(maxAnswers, streams) || c.answers > streams && len(c.out)-c.pulled > maxOutput) {
		return c.endForFlood(QueueBudget)
	}
	return nil
}

// Wanting reports whether Transmit may have something to send.
func (c *machine) Wanting() bool {
	return c.out != nil || c.err == nil &&
		(c.queue != nil && c.sendWindow > 0 || c.ends.head != nil || c.life == ended && c.streams.count > 0)
}

// Transmit appends output to dst, at most room bytes and a trailer section or a frame of
// 1 KiB, and returns it. It calls Read of Sources, which may call commands, but not Next, Transmit or
// Expire.
func (c *machine) Transmit(dst []byte, room int) []byte {
	limit := len(dst) + room
	c.endBlocked()
	for range maxPulls {
		// Encoded frames first: HEADERS precede the content.
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
	c.giveUpBlocked()
	if c.out != nil && len(dst) < limit {
		dst = c.transmitOutput(dst, limit)
	}
	return dst
}

// transmitOutput moves encoded frames to dst.
func (c *machine) transmitOutput(dst []byte, limit int) []byte {
	if c.out == nil || len(dst) >= limit {
		return dst
	}
	waiting := len(c.out) - c.pulled
	n := min(waiting, limit-len(dst))
	dst = append(dst, c.out[c.pulled:c.pulled+n]...)
	switch c.pulled += n; {
	case n == waiting:
		c.releaseOutput()
	default:
		c.answers -= int32(int(c.answers) * n / waiting)
		if c.pulled >= len(c.out)/2 {
			c.outAt += uint64(c.pulled)
			c.out = c.out[:copy(c.out, c.out[c.pulled:])]
			c.pulled = 0
		}
	}
	return dst
}

// transmitContent appends one DATA frame of at most room bytes of content, of the stream that is next.
func (c *machine) transmitContent(dst []byte, room int) []byte {
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
	c.unsent -= int64(n)
	c.sent(st, n, cut && !end)
	if end {
		c.finished(st)
	}
	return dst
}

// sent charges n bytes of content to the windows, and lets other streams have their turn. cut: a window
// kept the frame small.
func (c *machine) sent(st *stream, n int, cut bool) {
	st.sendWindow -= int32(n)
	c.sendWindow -= int32(n)
	c.earnUpdates(n)
	if cut {
		c.trickle(st, n)
	} else {
		c.work++
		c.unblock(st)
		c.unblockConnection()
		st.trickled, c.trickled = 0, 0
	}
	if st.sendWindow <= 0 {
		c.stall(st)
		c.unschedule(st)
		return
	}
	c.queue.rotate(st)
}

// transmitSource appends one DATA frame, with content read from the Source of st.
func (c *machine) transmitSource(dst []byte, st *stream, size int, cut bool) []byte {
	start := len(dst)
	dst = extend(dst, frameHeaderLen+size)
	id, p := st.id, dst[start+frameHeaderLen:]
	st.flags |= dry // cleared by content, or by a Resume within Read
	n, err := pull(st.source, p)
	if st.id != id || c.streams.find(id) != st {
		return dst[:start] // reset within Read
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
		st.flags &^= lagging
		c.unblock(st)
		if st.flags&dry != 0 {
			c.unschedule(st)
		}
		return dst[:start]
	}
	st.flags &^= dry
	if n == size && (st.left == 0 || int32(n) >= min(st.sendWindow, c.sendWindow)) {
		// Perhaps nothing follows, or not for long: the end can go along.
		switch over, gone := c.sourceOver(st); {
		case gone:
			return dst[:start]
		case over:
			return c.endSource(dst, start, st, n)
		}
	}
	putFrameHeader(dst[start:], frameHeader{uint32(n), frameData, 0, id})
	c.sent(st, n, cut && n == size)
	return dst
}

// pull fills p as far as src has content.
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

// wrongLength reports whether n more bytes, or the end after them, do not fit the left bytes due.
func wrongLength(left, n int64, err error) bool { return n > left || n < left && err == io.EOF }

// brokenSource resets a stream whose content failed, or differs from its content-length: the peer must
// not take it for complete (RFC 9113 section 8.1.1).
func (c *machine) brokenSource(dst []byte, st *stream) []byte {
	c.giveUp(st, CodeInternalError)
	return dst
}

// endSource ends a response, whose last n bytes of content are in dst behind start.
func (c *machine) endSource(dst []byte, start int, st *stream, n int) []byte {
	dst, ok := c.appendEnd(dst, start, st, n)
	if !ok {
		return c.brokenSource(dst[:start], st)
	}
	c.sendWindow -= int32(n)
	c.earnUpdates(n)
	c.finished(st)
	return dst
}

// appendEnd completes the DATA frame of the last n bytes, and appends the trailers. ok is false if these
// are invalid.
func (c *machine) appendEnd(dst []byte, start int, st *stream, n int) (_ []byte, ok bool) {
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
		dst, _ = c.beginBlock(dst)
		var sensitive func(string) bool
		if s, ok := st.source.(SensitiveSource); ok {
			sensitive = s.Sensitive
		}
		if dst, ok = appendFields(dst, fields, sensitive); !ok {
			return dst, false
		}
		dst = c.endBlock(dst, block, st.id, flagEndStream)
	}
	return dst, true
}

// sourceOver reports whether the Source of st has ended, for a stream without a window or without
// content due. gone: the stream was reset meanwhile.
func (c *machine) sourceOver(st *stream) (over, gone bool) {
	if st.flags&tunnel != 0 {
		return false, false
	}
	p := c.sh.probe[:0]
	if st.left == 0 {
		p = c.sh.probe[:] // any content is too much
	}
	id := st.id
	n, err := st.source.Read(p)
	switch {
	case st.id != id || c.streams.find(id) != st:
		return false, true
	case n != 0 || err != nil && err != io.EOF || err == io.EOF && st.left > 0:
		c.giveUp(st, CodeInternalError)
		return false, true
	}
	return err == io.EOF, false
}

// endBlocked ends responses without more content that a closed window blocks: an empty frame with
// END_STREAM and trailers need no window (RFC 9113 section 6.9.1).
func (c *machine) endBlocked() {
	for range c.streams.count { // a Source may resume while it is asked
		st := c.ends.head
		if st == nil {
			return
		}
		c.ends.remove(st)
		if st.sendWindow > 0 {
			c.schedule(st)
			continue
		}
		c.endIfOver(st)
	}
}

// endIfOver ends st if its Source has ended. gone: it did, or the stream was reset.
func (c *machine) endIfOver(st *stream) (gone bool) {
	over, gone := c.sourceOver(st)
	if !over {
		return gone
	}
	start := len(c.output())
	out, ok := c.appendEnd(extend(c.out, frameHeaderLen), start, st, 0)
	if !ok {
		c.giveUp(st, CodeInternalError)
		return true
	}
	c.out = out
	c.finished(st)
	return true
}

// extend returns dst with n more bytes of arbitrary content.
func extend(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst[:len(dst)+n]
	}
	return append(dst, make([]byte, n)...)
}
