package h2

// purpose returns the purpose of a HEADERS frame: request, trailers or to be discarded. An error
// ends the connection.
func (c *Conn) purpose(h frameHeader) (purpose, *ConnError) {
	id := h.stream
	if id > c.history.last {
		return c.acceptStream(id)
	}
	if st := c.streams.find(id); st != nil {
		switch {
		case !st.state.allows(recvHeaders):
			return discard, c.outOfState(st)
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

// section implements role.
func (c *Conn) section(id StreamID, end bool, p purpose, fragments []byte, ev *Event) *ConnError {
	if m := c.memo(); p == request && m.serial == c.serial && m.end == end && string(m.block) == string(fragments) {
		ev.Head, ev.NeverIndexed = m.head, 0
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
	ev.Head, ev.NeverIndexed = s.head, s.never
	return c.request(id, end, s.signal, ev)
}

// request opens the stream of ev.Head.
func (c *Conn) request(id StreamID, end, signal bool, ev *Event) *ConnError {
	st := c.openStream(id, recvHeaders)
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
