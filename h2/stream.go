package h2

// stream is one open stream. Its storage is pooled in Shared; a handle to it is the connection
// and the identifier, which is never used again (RFC 9113 section 5.1.1), so that a command that
// comes too late finds nothing.
type stream struct {
	id    StreamID
	state streamState
	flags streamFlags

	urgency     uint8
	incremental bool // shares its urgency's turns; also without a signal
	list        *streamList
	next, prev  *stream

	sendWindow int32 // may be negative (RFC 9113 section 6.9.2)
	recvWindow int32 // what the peer may still send
	credit     int32 // consumed and not announced to the peer yet
	unconsumed int32 // received and not consumed yet

	expected int64 // content bytes still to come by the request's content-length, -1: unknown
	left     int64 // content bytes of the response still to be sent, -1: unknown
	bytes    []byte
	source   Source
	trickled int32   // bytes that went since then in frames kept small by a window
	since    instant // when the peer began to keep us waiting, 0: it does not. For its window, or for the request's end
	headAt   uint64  // where in the connection's output the response's head starts
	headLen  uint32
	status   uint16 // of the response
	value    any
}

type streamFlags uint16

const (
	headRequest streamFlags = 1 << iota // HEAD: a response has no content
	tunnel                              // CONNECT: content is the tunnel's bytes
	answered                            // the final response's head is out
	dry                                 // its Source had nothing
)

// waits reports whether st is in the queue of those that may send.
func (c *Conn) waits(st *stream) bool {
	return st.list != nil && st.list != &c.early && st.list != &c.ends
}

// readyToSend reports whether content waits and the stream's own window lets it go.
func (st *stream) readyToSend() bool {
	return st.flags&(answered|dry) == answered && st.state.allows(sendData) && st.sendWindow > 0
}

// streamList is a queue of streams; a stream is in one at most.
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

// openStream makes a stream out of the peer's HEADERS.
func (c *Conn) openStream(id StreamID) *stream {
	st := c.sh.takeStream()
	st.id = id
	st.state = idle.after(recvHeaders)
	st.urgency, st.incremental = defaultUrgency, true
	st.sendWindow = c.sendInitial
	st.recvWindow = c.recvInitial
	st.expected = -1
	c.streams.insert(st, c.sh)
	return st
}

// closeStream forgets st and gives back what it held.
func (c *Conn) closeStream(st *stream) {
	c.unschedule(st)
	c.dropContent(st)
	c.streams.remove(st, c.sh)
	if st.unconsumed > 0 {
		c.unconsumed -= int64(st.unconsumed)
		c.creditConnection()
	}
	c.sh.giveStream(st)
}

// ended applies the peer's END_STREAM.
func (c *Conn) ended(st *stream) {
	st.state = st.state.after(recvEnd)
	if st.state == closed {
		c.closeStream(st)
	}
}

// finished applies our END_STREAM, which has been encoded.
func (c *Conn) finished(st *stream) {
	st.state = st.state.after(sendEnd)
	c.dropContent(st)
	c.work++
	c.sh.Stats.Completed++
	if st.state == closed {
		c.closeStream(st)
		return
	}
	c.unschedule(st)
	if st.flags&tunnel == 0 {
		c.awaitEnd(st)
	}
}

// queueReset resets st: late frames for it will be ignored.
func (c *Conn) queueReset(st *stream, code ErrCode) {
	id := st.id
	c.history.markReset(id)
	c.closeStream(st)
	c.out = appendReset(c.output(), id, code)
}

// abandon resets st for something that the peer did.
func (c *Conn) abandon(st *stream, code ErrCode) *ConnError {
	c.queueReset(st, code)
	return c.answer(c.out)
}

// refuse resets a stream that has no storage.
func (c *Conn) refuse(id StreamID, code ErrCode) *ConnError {
	c.history.markReset(id)
	return c.answer(appendReset(c.output(), id, code))
}

// streamError resets st for the peer's mistake and leaves a Reset event.
func (c *Conn) streamError(st *stream, code ErrCode, reason string) *ConnError {
	return c.resetForMistake(st, notice{kind: Reset, code: code, stream: st.id, value: st.value, reason: reason})
}

// resetForMistake resets st and leaves n.
func (c *Conn) resetForMistake(st *stream, n notice) *ConnError {
	c.sh.Stats.Malformed++
	c.notice(n)
	if err := c.spend(ProvokedBudget); err != nil {
		return err
	}
	return c.abandon(st, n.code)
}

// afterEnd is for a frame that comes after the peer's END_STREAM: RFC 9113 section 5.1 makes it a
// stream error of type STREAM_CLOSED.
func (c *Conn) afterEnd(st *stream) *ConnError {
	return c.streamError(st, CodeStreamClosed, "frame behind the end of the request")
}

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
	ev.Status, ev.Withdrawn, ev.Reason = 0, 0, ""
	c.closeStream(st)
	return nil
}
