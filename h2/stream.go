package h2

// stream is one open stream. Its storage is pooled in Shared; a handle to it is the connection
// and the identifier, which is never used again (RFC 9113 section 5.1.1), so that a command that
// comes too late finds nothing.
type stream struct {
	id    StreamID
	state State
	flags streamFlags

	urgency     uint8
	incremental bool // shares its urgency's turns; also without a signal
	list        *streamList
	next, prev  *stream

	sendWindow int32 // may be negative (RFC 9113 section 6.9.2)
	recvWindow int32 // what the peer may still send
	credit     int32 // consumed and not announced to the peer yet
	unconsumed int32 // received and not consumed yet

	expected  int64 // content bytes still to come by the request's content-length, -1: unknown
	left      int64 // content bytes of the response still to be sent, -1: unknown
	bytes     []byte
	source    Source
	stalledAt instant // since when the peer's window holds the response up, 0: it does not
	value     any
}

type streamFlags uint16

const (
	headRequest streamFlags = 1 << iota // HEAD: a response has no content
	tunnel                              // CONNECT: content is the tunnel's bytes
	answered                            // the final response's head is out
	notify                              // a Sent event is wanted
	dry                                 // its Source had nothing
)

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

// streamTable finds open streams by identifier: open addressing with linear probing. Identifiers
// of one peer step by two, so that id/2 spreads without a hash.
type streamTable struct {
	slots []*stream
	count int
	first [4]*stream // the slots while few streams are open
}

func (t *streamTable) find(id StreamID) *stream {
	if t.count == 0 {
		return nil
	}
	mask := uint32(len(t.slots) - 1)
	for i := uint32(id>>1) & mask; ; i = (i + 1) & mask {
		st := t.slots[i]
		if st == nil || st.id == id {
			return st
		}
	}
}

// insert expects that st.id is not in the table.
func (t *streamTable) insert(st *stream, sh *Shared) {
	if t.slots == nil {
		t.slots = t.first[:]
	}
	if t.count >= len(t.slots)/4*3 {
		t.grow(sh)
	}
	t.place(st)
	t.count++
}

func (t *streamTable) place(st *stream) {
	mask := uint32(len(t.slots) - 1)
	i := uint32(st.id>>1) & mask
	for t.slots[i] != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = st
}

func (t *streamTable) grow(sh *Shared) {
	old := t.slots
	t.slots = sh.takeSlots(len(old))
	for _, st := range old {
		if st != nil {
			t.place(st)
		}
	}
	sh.giveSlots(old)
}

// remove closes the gap that st leaves: those behind it that a probe would miss move up.
func (t *streamTable) remove(st *stream, sh *Shared) {
	mask := uint32(len(t.slots) - 1)
	gap := uint32(st.id>>1) & mask
	for t.slots[gap] != st {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; t.slots[i] != nil; i = (i + 1) & mask {
		home := uint32(t.slots[i].id>>1) & mask
		if (i-home)&mask >= (i-gap)&mask {
			t.slots[gap] = t.slots[i]
			gap = i
		}
	}
	t.slots[gap] = nil
	t.count--
	if t.count == 0 && len(t.slots) > len(t.first) {
		sh.giveSlots(t.slots)
		t.slots = t.first[:]
	}
}

// all yields every stream; the table must not change meanwhile.
func (t *streamTable) all(yield func(*stream) bool) {
	for _, st := range t.slots {
		if st != nil && !yield(st) {
			return
		}
	}
}

// history remembers of the last 64 identifiers that a peer could have used whether it did, and
// whether we reset the stream, in which case frames may rightly be on their way still.
type history struct {
	last          StreamID // the highest that was used
	opened, reset uint64   // bit i: identifier last-2i
}

func (h *history) open(id StreamID) {
	shift := uint32(id-h.last) >> 1
	if h.last == 0 {
		shift = 64
	}
	h.opened = h.opened<<shift | 1
	h.reset <<= shift
	h.last = id
}

func (h *history) markReset(id StreamID) {
	h.reset |= 1 << (uint32(h.last-id) >> 1)
}

// recall tells about an identifier up to last whether it is remembered, was opened and was reset
// by us.
func (h *history) recall(id StreamID) (known, opened, reset bool) {
	age := uint32(h.last-id) >> 1
	if age >= 64 {
		return false, false, false
	}
	return true, h.opened>>age&1 != 0, h.reset>>age&1 != 0
}

// openStream makes a stream out of the peer's HEADERS.
func (c *Conn) openStream(id StreamID) *stream {
	st := c.sh.takeStream()
	st.id = id
	st.state = Idle.after(recvHeaders)
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
	if st.state == Closed {
		c.closeStream(st)
	}
}

// finished applies our END_STREAM, which has been encoded.
func (c *Conn) finished(st *stream) {
	st.state = st.state.after(sendEnd)
	st.bytes, st.source = nil, nil
	c.work++
	c.sh.Stats.Completed++
	if st.flags&notify != 0 {
		c.notice(notice{kind: Sent, stream: st.id, value: st.value})
	}
	if st.state == Closed {
		c.closeStream(st)
		return
	}
	c.unschedule(st)
	if st.flags&tunnel == 0 {
		c.early.push(st)
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
