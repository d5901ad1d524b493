package h2

// stream is an open stream. Its storage is pooled in Shared. Callers name it by its identifier, which is
// never used again (RFC 9113 section 5.1.1), so a command that is too late finds nothing.
type stream struct {
	id    StreamID
	state streamState
	flags streamFlags

	urgency     uint8
	incremental bool // takes turns within its urgency; true without a signal
	list        *streamList
	next, prev  *stream

	sendWindow int32 // may be negative (RFC 9113 section 6.9.2)
	recvWindow int32 // bytes that the peer may still send
	credit     int32 // consumed, and not yet announced to the peer
	unconsumed int32 // received, and not yet consumed

	expected int64 // bytes missing from the content-length of the peer's message; -1: unknown
	left     int64 // bytes of Source missing from its length; -1: unknown
	bytes    []byte
	source   Source
	trickled int32   // bytes sent since then in frames that a window kept small
	since    instant // since when a window blocks our content, or a complete response awaits the end of its request; 0: neither
	headAt   uint64  // bytes of the connection's output before our HEADERS
	headLen  uint32  // bytes of them
	status   uint16  // of the response
	interims uint8   // interim responses that were received
	value    any
}

type streamFlags uint16

const (
	headRequest streamFlags = 1 << iota // HEAD: the response has no content
	tunnel                              // CONNECT: the content belongs to a tunnel
	answered                            // the head of our message was queued
	dry                                 // its Source had nothing at the last Read
	early                               // in Conn.early
	held                                // the content waits for 100 (Continue) or Proceed
	neverSent                           // the connection has failed before any of the request was pulled
	long                                // the application has consumed half a window of incoming content
	grown                               // its window is larger than the initial one
	lagging                             // the last CheckReaders has found it blocked, and it was never short of content since
)

// waits reports whether st is in a queue of the schedule.
func (c *machine) waits(st *stream) bool {
	return st.list != nil && st.flags&early == 0 && st.list != &c.ends
}

// readyToSend reports whether there is content, and the stream's window is open.
func (st *stream) readyToSend() bool {
	return st.flags&(answered|dry|held) == answered && st.state.allows(sendData) && st.sendWindow > 0
}

// streamList is a queue of streams. A stream is in one at most.
type streamList struct{ head, tail *stream }

func (l *streamList) push(st *stream) {
	st.list, st.prev, st.next = l, l.tail, nil
	if l.tail == nil {
		l.head = st
	} else {
		l.tail.next = st
	}
	l.tail = st
}

func (l *streamList) remove(st *stream) {
	if st.prev == nil {
		l.head = st.next
	} else {
		st.prev.next = st.next
	}
	if st.next == nil {
		l.tail = st.prev
	} else {
		st.next.prev = st.prev
	}
	st.list, st.prev, st.next = nil, nil, nil
}

// openStream opens a stream by HEADERS, received or sent.
func (c *machine) openStream(id StreamID, by input) *stream {
	st := c.sh.takeStream()
	st.id = id
	st.state = idle.after(by)
	st.urgency, st.incremental = defaultUrgency, true
	st.sendWindow = c.sendInitial
	st.recvWindow = c.recvInitial
	st.expected = -1
	c.streams.insert(st, c.sh)
	return st
}

// closeStream removes st and returns its storage.
func (c *machine) closeStream(st *stream) {
	if st.flags&early == 0 {
		c.unblock(st)
	}
	c.unschedule(st)
	c.dropContent(st)
	c.streams.remove(st, c.sh)
	if st.flags&grown != 0 {
		c.grownStreamEnded(st)
	}
	if st.unconsumed > 0 {
		c.unconsumed -= int64(st.unconsumed)
		c.creditConnection()
	}
	c.sh.giveStream(st)
}

// ended handles the peer's END_STREAM.
func (c *machine) ended(st *stream) {
	st.state = st.state.after(recvEnd)
	if st.flags&grown != 0 {
		c.grownStreamEnded(st)
	}
	if st.state == closed {
		c.closeStream(st)
	}
}

// finished follows our END_STREAM.
func (c *machine) finished(st *stream) {
	st.state = st.state.after(sendEnd)
	c.dropContent(st)
	c.work++
	c.stats().Completed++
	if st.state == closed {
		c.closeStream(st)
		return
	}
	c.unschedule(st)
	c.unblock(st)
	st.trickled = 0
	c.role.outputEnded(st)
}

// queueReset resets st. Late frames for it will be ignored.
func (c *machine) queueReset(st *stream, code ErrCode) {
	id := st.id
	c.history.markReset(id)
	c.closeStream(st)
	c.stats().ResetsSent[CodeKind(code)]++
	c.out = appendReset(c.output(), id, code)
	c.role.resetQueued()
}

// resetProvoked resets st because of the peer.
func (c *machine) resetProvoked(st *stream, code ErrCode) *ConnError {
	c.queueReset(st, code)
	return c.answer(c.out)
}

// refuse resets a stream that is not open.
func (c *machine) refuse(id StreamID, code ErrCode) *ConnError {
	c.history.markReset(id)
	c.stats().ResetsSent[CodeKind(code)]++
	return c.answer(appendReset(c.output(), id, code))
}

// streamError resets st for a mistake of the peer. A Reset event follows.
func (c *machine) streamError(st *stream, code ErrCode, reason string) *ConnError {
	return c.resetForMistake(st, c.resetNotice(st, code, reason))
}

// resetForMistake is streamError with the event n.
func (c *machine) resetForMistake(st *stream, n notice) *ConnError {
	c.stats().Malformed++
	c.notice(n)
	if err := c.spend(ProvokedBudget); err != nil {
		return err
	}
	return c.resetProvoked(st, n.code)
}

// outOfState handles HEADERS or DATA that the state of st does not allow: after the peer's END_STREAM a
// stream error of type STREAM_CLOSED (RFC 9113 section 5.1).
func (c *machine) outOfState(st *stream) *ConnError {
	if st.awaitsResponse() {
		// RFC 9113 section 8.1: a message starts with its header section.
		return c.streamError(st, CodeProtocolError, "DATA before the response")
	}
	return c.streamError(st, CodeStreamClosed, "frame behind END_STREAM")
}

// resetByPeer handles RST_STREAM (RFC 9113 section 6.4).
func (c *machine) resetByPeer(h frameHeader, payload []byte, ev *Event) *ConnError {
	st := c.streams.find(h.stream)
	if st == nil {
		if !c.absent(h.stream).allows(recvReset) {
			return c.fail(CodeProtocolError, "RST_STREAM on an idle stream")
		}
		return c.spend(StrayBudget)
	}
	ev.Code, ev.Stream, ev.Value, ev.End = parseCode(payload), st.id, st.value, false
	ev.Status, ev.Withdrawn, ev.Reason, ev.ByPeer = 0, 0, "", true
	if err := c.role.reset(st, ev); err != nil {
		return err
	}
	c.stats().PeerResets++
	c.stats().ResetsReceived[CodeKind(ev.Code)]++
	ev.Kind = Reset
	c.closeStream(st)
	return nil
}
