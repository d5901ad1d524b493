package h2

// purpose is the use of a field section. Every header block is decoded, since the decoder's state
// depends on all of them (RFC 9113 section 4.3).
type purpose uint8

const (
	discard purpose = iota
	request
	trailers
)

// block is an incomplete header block.
type block struct {
	stream    StreamID
	end       bool // END_STREAM
	purpose   purpose
	frames    int
	fragments []byte
}

// headers handles HEADERS (RFC 9113 section 6.2).
func (c *Conn) headers(h frameHeader, fragment []byte, ev *Event) *ConnError {
	if h.stream&1 == 0 {
		// RFC 9113 section 5.1.1: clients use odd identifiers.
		return c.fail(CodeProtocolError, "HEADERS on a stream that no client can open")
	}
	if h.has(flagPadded) {
		var ok bool
		if fragment, ok = parsePadding(fragment); !ok {
			return c.fail(CodeProtocolError, "padding exceeds the frame")
		}
	}
	own := false
	if h.has(flagPriority) {
		if len(fragment) < priorityLen {
			return c.fail(CodeFrameSizeError, "HEADERS without room for its priority")
		}
		own = parseDependency(fragment) == h.stream
		fragment = fragment[priorityLen:]
	}
	p, err := c.headersPurpose(h)
	if err != nil {
		return err
	}
	if own && p != discard {
		// RFC 7540 section 5.3.1: a stream cannot depend on itself.
		p = discard
		if err := c.malformed(h.stream, "stream depends on itself", false); err != nil {
			return err
		}
	}
	if h.has(flagEndHeaders) {
		c.clearTimer(blockTimer)
		return c.fieldSection(h.stream, h.has(flagEndStream), p, fragment, ev)
	}
	c.block = c.sh.takeBlock()
	c.block.stream, c.block.end, c.block.purpose = h.stream, h.has(flagEndStream), p
	c.timeBlock()
	return c.gather(fragment)
}

// timeBlock starts the timer of a header block, at the first part of its HEADERS frame.
func (c *Conn) timeBlock() {
	if c.timers[blockTimer] == 0 && c.life != ended {
		c.setTimer(blockTimer, c.sh.cfg.BlockTimeout)
	}
}

// headersPurpose returns the purpose of a HEADERS frame: request, trailers or to be discarded. An error
// ends the connection.
func (c *Conn) headersPurpose(h frameHeader) (purpose, *ConnError) {
	id := h.stream
	if id > c.history.last {
		return c.acceptStream(id)
	}
	if st := c.streams.find(id); st != nil {
		switch {
		case !st.state.allows(recvHeaders):
			return discard, c.afterEnd(st)
		case st.flags&tunnel != 0:
			// RFC 9113 section 8.5: a tunnel has no trailers.
			return discard, c.streamError(st, CodeProtocolError, "HEADERS in a tunnel")
		case !h.has(flagEndStream):
			// RFC 9113 section 8.1: a second field section ends the request.
			return discard, c.malformedContent(st, 400, "trailers do not end the request", CodeProtocolError)
		}
		return trailers, nil
	}
	known, opened, reset := c.history.recall(id)
	switch {
	case reset:
		// RFC 9113 section 5.4.2: the frame was in flight when we reset the stream.
		return discard, c.spend(StrayBudget)
	case !known:
		if err := c.spend(StrayBudget); err != nil {
			return discard, err
		}
		return discard, c.refuse(id, CodeStreamClosed)
	case opened:
		return discard, c.fail(CodeStreamClosed, "HEADERS on a closed stream")
	default:
		// RFC 9113 section 5.1.1: identifiers increase.
		return discard, c.fail(CodeProtocolError, "stream identifier below the last one")
	}
}

// acceptStream opens the idle stream id, or refuses it.
func (c *Conn) acceptStream(id StreamID) (purpose, *ConnError) {
	c.history.open(id)
	switch {
	case c.life == drained, uint32(c.streams.count) >= c.sh.cfg.MaxConcurrentStreams:
		// The peer may not have seen our GOAWAY (RFC 9113 section 6.8) or our SETTINGS (section
		// 5.1.2) yet.
		if c.life != drained {
			c.sh.Stats.Refused++
			c.notice(notice{kind: Refused, code: CodeRefusedStream, stream: id, reason: "more streams than SETTINGS_MAX_CONCURRENT_STREAMS"})
		}
		if err := c.spend(RefusedBudget); err != nil {
			return discard, err
		}
		return discard, c.refuse(id, CodeRefusedStream)
	}
	return request, nil
}

// continuation handles CONTINUATION (RFC 9113 section 6.10).
func (c *Conn) continuation(h frameHeader, fragment []byte, ev *Event) *ConnError {
	b := c.block
	if b == nil {
		return c.fail(CodeProtocolError, "CONTINUATION without HEADERS")
	}
	if err := c.gather(fragment); err != nil || !h.has(flagEndHeaders) {
		return err
	}
	c.block = nil
	c.clearTimer(blockTimer)
	err := c.fieldSection(b.stream, b.end, b.purpose, b.fragments, ev)
	c.sh.giveBlock(b)
	return err
}

// gather keeps a fragment of an incomplete block.
func (c *Conn) gather(fragment []byte) *ConnError {
	b := c.block
	if len(fragment) == 0 {
		if err := c.spend(EmptyBudget); err != nil {
			return err
		}
	}
	b.frames++
	if b.frames > maxBlockFrames || len(b.fragments)+len(fragment) > c.sh.maxBlock() {
		return c.endForFlood(BlockBudget)
	}
	b.fragments = append(b.fragments, fragment...)
	return nil
}

// fieldSection decodes a complete header block and acts on it.
func (c *Conn) fieldSection(id StreamID, end bool, p purpose, fragments []byte, ev *Event) *ConnError {
	if m := c.memo(); p == request && m.serial == c.serial && m.end == end && string(m.block) == string(fragments) {
		ev.Head = m.head
		return c.request(id, end, m.signal, ev)
	}
	s := &c.sh.section
	s.begin(c.sh.cfg.MaxHeaderListSize)
	s.trailers, s.noHost = p == trailers, c.flags&noHost != 0
	if err := c.decode(fragments, p != discard); err != nil {
		return err
	}
	switch {
	case p == discard:
		return nil
	case s.tooLarge:
		return c.tooLarge(id, end, p, s.head.Method == "HEAD")
	}
	s.joinCookies()
	if p == trailers {
		return c.trailers(id, s, ev)
	}
	if why := s.request(end, c.sh.cfg.EnableConnectProtocol); why != "" {
		// RFC 9113 section 8.1.1: a malformed request is a stream error.
		return c.malformed(id, why, s.head.Method == "HEAD")
	}
	c.remember(fragments, end, s)
	ev.Head = s.head
	return c.request(id, end, s.signal, ev)
}

// decode decodes a complete header block into sh.section, or for its effect on the table alone if the
// fields are not wanted.
func (c *Conn) decode(fragments []byte, wanted bool) *ConnError {
	sh := c.sh
	if c.decoder == nil {
		c.decoder = newDecoder()
	}
	if m := c.memo(); m.serial == c.serial {
		m.serial = 0
	}
	var s *section
	if wanted {
		s = &sh.section
	}
	ok := c.decoder.decode(fragments, s, &sh.scratch)
	if cap(sh.scratch) > maxScratch {
		sh.scratch = nil
	}
	if !ok {
		// RFC 9113 section 4.3: a connection error, since the table is lost.
		return c.fail(CodeCompressionError, "header block cannot be decoded")
	}
	return nil
}

// request opens the stream of ev.Head.
func (c *Conn) request(id StreamID, end, signal bool, ev *Event) *ConnError {
	st := c.openStream(id)
	h := &ev.Head
	switch h.Method {
	case "HEAD":
		st.flags |= headRequest
	case "CONNECT":
		st.flags |= tunnel
	}
	if c.aheadID == id {
		h.Urgency, h.Incremental, signal = c.ahead.urgency, c.ahead.incremental, true
		c.aheadID = 0
	}
	if signal {
		st.urgency, st.incremental = h.Urgency, h.Incremental
	}
	st.expected = h.ContentLength
	c.sh.Stats.Streams++
	ev.Kind, ev.Stream, ev.Value, ev.End = Request, id, nil, end
	if end {
		st.state = st.state.after(recvEnd)
	}
	return nil
}

// trailers ends a request with its trailer section.
func (c *Conn) trailers(id StreamID, s *section, ev *Event) *ConnError {
	st := c.streams.find(id)
	if st.expected > 0 {
		s.malformed("content differs from its content-length")
	}
	if s.bad != "" {
		return c.malformedContent(st, 400, s.bad, CodeProtocolError)
	}
	ev.Kind, ev.Stream, ev.Value, ev.End = Trailers, id, st.value, true
	ev.Trailers = s.head.Fields
	c.ended(st)
	return nil
}

// tooLarge answers a field section above the limits with 431 (RFC 6585 section 5).
func (c *Conn) tooLarge(id StreamID, end bool, p purpose, head bool) *ConnError {
	const reason = "field lines exceed the limit"
	c.sh.Stats.TooLarge++
	if err := c.spend(OversizeBudget); err != nil {
		return err
	}
	if p == trailers {
		return c.malformedContent(c.streams.find(id), 431, reason, CodeProtocolError)
	}
	c.notice(notice{kind: Refused, code: CodeNoError, stream: id, status: 431, reason: reason})
	if err := c.answer(c.appendRefusal(c.output(), id, 431, reason, c.sendInitial, head)); err != nil || end {
		return err
	}
	return c.refuse(id, CodeNoError)
}
