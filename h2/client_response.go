package h2

// The responses that a client receives, and the client's part of the machine; see role.

// purpose returns the purpose of a HEADERS frame: response, trailers or to be discarded. An error ends the
// connection.
func (c *Client) purpose(h frameHeader) (purpose, *ConnError) {
	id := h.stream
	if id > c.history.last {
		return discard, c.fail(CodeProtocolError, "HEADERS on an idle stream")
	}
	if st := c.streams.find(id); st != nil {
		switch {
		case c.unpulled(st):
			// The server cannot know of it.
			return discard, c.fail(CodeProtocolError, "HEADERS on an idle stream")
		case st.awaitsResponse():
			return response, nil
		case !st.state.allows(recvHeaders):
			return discard, c.outOfState(st)
		case st.flags&tunnel != 0:
			// RFC 9113 section 8.5: a tunnel has no trailers.
			return discard, c.streamError(st, CodeProtocolError, "HEADERS in a tunnel")
		case !h.has(flagEndStream):
			// RFC 9113 section 8.1: a field section behind the content ends the response.
			return discard, c.streamError(st, CodeProtocolError, "trailers do not end the response")
		}
		return trailers, nil
	}
	if known, _, reset := c.history.recall(id); known && !reset {
		return discard, c.fail(CodeStreamClosed, "HEADERS on a closed stream")
	}
	// RFC 9113 section 5.4.2: the frame was in flight when we reset the stream.
	return discard, c.spend(StrayBudget)
}

// section implements role.
func (c *Client) section(id StreamID, end bool, p purpose, fragments []byte, ev *Event) *ConnError {
	s := &c.sh.section
	s.begin(c.headLimit)
	s.trailers, s.response = p == trailers, p == response
	if p != response || !c.recall(fragments, s) {
		if err := c.decode(fragments, p != discard); err != nil {
			return err
		}
		if p == response {
			c.remember(fragments, s)
		}
	}
	if c.known&resetsPinged != 0 {
		c.known &^= resetsPinged
		c.confirmResets()
	}
	if p == discard {
		return nil
	}
	st := c.streams.find(id)
	if s.tooLarge {
		c.sh.ClientStats.TooLarge++
		if err := c.spend(OversizeBudget); err != nil {
			return err
		}
		return c.streamError(st, CodeProtocolError, "field lines exceed the limit")
	}
	if p == trailers {
		return c.trailers(id, s, ev)
	}
	return c.response(st, end, s, ev)
}

// response handles the header section of an interim or final response.
func (c *Client) response(st *stream, end bool, s *section, ev *Event) *ConnError {
	r := ResponseHead{Status: s.status, Fields: s.head.Fields, ContentLength: s.head.ContentLength, Stated: -1}
	asked := st.flags&tunnel != 0
	why := s.checkResponse(end)
	if why == "" && s.status >= 200 {
		why = r.contentOf(st, end)
	}
	switch {
	case why != "":
		// RFC 9113 section 8.1.1: a malformed response is a stream error.
		return c.streamError(st, CodeProtocolError, why)
	case s.status < 200:
		if st.interims++; st.interims > maxInterims {
			return c.streamError(st, CodeEnhanceYourCalm, "too many interim responses")
		}
		if s.status == 100 && st.flags&held != 0 {
			c.release(st)
		}
		ev.Kind, r.ContentLength = Interim, 0
	default:
		ev.Kind = Final
		st.state = st.state.after(recvHeaders)
		st.expected = r.ContentLength
		if asked {
			c.tunnelAnswered(st)
		}
	}
	ev.Stream, ev.Value, ev.End = st.id, st.value, end
	ev.Response, ev.NeverIndexed = r, s.never
	if end {
		c.ended(st)
	}
	return nil
}

// tunnelAnswered lets the content of a tunnel be sent. If the server has refused the tunnel, the content ends.
func (c *Client) tunnelAnswered(st *stream) {
	if st.flags&tunnel == 0 {
		c.dropContent(st)
	}
	c.release(st)
}

// checkResponse checks a complete header section (RFC 9113 section 8.3.2). It returns why the response is
// malformed, or "".
func (s *section) checkResponse(end bool) string {
	switch {
	case s.bad != "":
		return s.bad
	case s.pseudo != pseudoStatus:
		return "a response needs :status"
	case s.status == 101:
		// RFC 9113 section 8.6: there is no 101 in HTTP/2.
		return "101 in HTTP/2"
	case s.status < 200 && end:
		// RFC 9113 section 8.1: an interim response does not end the stream.
		return "interim response with END_STREAM"
	}
	return ""
}

// contentOf sets the lengths of a final response (RFC 9110 section 8.6). It returns why the response is
// malformed, or "".
func (r *ResponseHead) contentOf(st *stream, end bool) string {
	switch {
	case st.flags&tunnel != 0 && r.Status < 300:
		// RFC 9110 section 9.3.6: a tunnel has no content-length.
		r.ContentLength = -1
		return ""
	case bodyless(st, r.Status):
		if r.Status != 204 {
			r.Stated = r.ContentLength
		}
		r.ContentLength = 0
	case end && r.ContentLength > 0:
		// RFC 9113 section 8.1.1: content-length is the length of the content.
		return "content-length without content"
	case end:
		r.ContentLength = 0
	}
	// RFC 9110 section 9.3.6: only a successful answer to CONNECT opens a tunnel.
	st.flags &^= tunnel
	return ""
}

func (c *Client) frame(h frameHeader, payload []byte, ev *Event) *ConnError {
	switch h.typ {
	case frameGoaway:
		return c.goaway(h, payload, ev)
	case framePriorityUpdate:
		// RFC 9218 section 7.1
		return c.fail(CodeProtocolError, "PRIORITY_UPDATE from a server")
	default:
		// RFC 9113 section 8.4: our SETTINGS_ENABLE_PUSH is 0, and has been since the preface.
		return c.fail(CodeProtocolError, "PUSH_PROMISE without permission")
	}
}

// goaway handles the server's GOAWAY (RFC 9113 section 6.8). Streams above its last one end: the server has not
// processed them.
func (c *Client) goaway(h frameHeader, payload []byte, ev *Event) *ConnError {
	if h.stream != 0 {
		return c.fail(CodeProtocolError, "GOAWAY on a stream")
	}
	if err := c.spend(SettingsBudget); err != nil {
		return err
	}
	last, code := parseDependency(payload), parseCode(payload[4:])
	if c.known&goawayReceived != 0 && last > c.goawayAt {
		// RFC 9113 section 6.8: the last stream must not increase.
		return c.fail(CodeProtocolError, "the last stream of GOAWAY increases")
	}
	c.known |= goawayReceived
	c.goawayAt = last
	c.advance(drainBegins)
	ev.Kind, ev.Code, ev.Last, ev.Value = Goaway, code, last, nil
	for _, st := range c.streamsWhere(func(st *stream) bool { return st.id > last }) {
		c.drop(st, CodeRefusedStream, "stream is above the last one of GOAWAY", st.awaitsResponse())
	}
	return nil
}

// reset completes the event of a stream that the server has reset.
func (c *Client) reset(st *stream, ev *Event) *ConnError {
	if c.unpulled(st) {
		return c.fail(CodeProtocolError, "RST_STREAM on an idle stream")
	}
	ev.End = st.inputEnded()
	// RFC 9113 section 8.7: REFUSED_STREAM means that the request was not processed.
	ev.Unprocessed = ev.Code == CodeRefusedStream && st.awaitsResponse()
	ev.Reason = "reset by the server"
	return nil
}

func (c *Client) malformed(id StreamID, reason string, _ bool) *ConnError {
	return c.streamError(c.streams.find(id), CodeProtocolError, reason)
}

func (c *Client) malformedContent(st *stream, _ int, reason string, code ErrCode) *ConnError {
	return c.streamError(st, code, reason)
}

// setting applies a setting of the server's (RFC 9113 section 6.5.2, RFC 8441 section 3).
func (c *Client) setting(s setting, _ bool) *ConnError {
	switch s.id {
	case settingMaxConcurrentStreams:
		c.limit = min(s.value, maxWindow)
		c.known |= limitStated
	case settingHeaderTableSize:
		if c.tableSize = s.value; c.encoder != nil {
			c.encoder.resize(s.value)
		}
	case settingMaxHeaderListSize:
		c.peerHead = s.value
	case settingEnablePush:
		if s.value != 0 {
			return c.fail(CodeProtocolError, "SETTINGS_ENABLE_PUSH from a server")
		}
	case settingEnableConnectProtocol:
		if s.value == 0 && c.known&connectAccepted != 0 {
			return c.fail(CodeProtocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL was withdrawn")
		}
		if s.value == 1 {
			c.known |= connectAccepted
		}
	}
	return nil
}

func (c *Client) settingsApplied() {
	c.known |= settingsKnown
	if c.known&limitStated == 0 {
		c.limit = unlimitedStreams
	}
	c.notice(notice{kind: Changed})
}

// resetQueued counts a reset stream against Capacity until the server has acknowledged a PING behind the
// reset: it may work on the request as long as it does not know, and would see more requests than it allows.
func (c *Client) resetQueued() {
	c.resets++
	c.confirmResets()
}

// confirmResets queues one PING for all resets so far. Servers with gRPC end connections that send PINGs
// without receiving a response between them, so a second one waits for that, or until a quarter of the
// streams are in doubt.
func (c *Client) confirmResets() {
	if c.resets == 0 || c.unconfirmed > 0 || c.known&resetsPinged != 0 && c.resets < c.limit/4 {
		return
	}
	c.unconfirmed, c.resets = c.resets, 0
	c.out = appendPing(c.output(), 0, pingReset)
}

func (c *Client) pong(opaque uint64) (known bool) {
	switch {
	case opaque == pingReset && c.unconfirmed > 0:
		c.unconfirmed = 0
		c.known |= resetsPinged
		c.confirmResets()
		c.notice(notice{kind: Changed})
	case opaque == pingCaller && c.known&pinging != 0:
		c.known &^= pinging
		c.notice(notice{kind: Pong})
	default:
		return false
	}
	return true
}

func (c *Client) outputEnded(*stream) {}

// expire implements role: a client has no timer of its own.
func (c *Client) expire(int, instant) *ConnError { return nil }
