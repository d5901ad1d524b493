package h2

// purpose is the use of a field section. Every header block is decoded, since the decoder's state
// depends on all of them (RFC 9113 section 4.3).
type purpose uint8

const (
	discard purpose = iota
	request
	response
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
func (c *machine) headers(h frameHeader, fragment []byte, ev *Event) *ConnError {
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
	p, err := c.role.purpose(h)
	if err != nil {
		return err
	}
	if own && p != discard {
		// RFC 7540 section 5.3.1: a stream cannot depend on itself.
		p = discard
		if err := c.role.malformed(h.stream, "stream depends on itself", false); err != nil {
			return err
		}
	}
	if h.has(flagEndHeaders) {
		c.clearTimer(blockTimer)
		return c.role.section(h.stream, h.has(flagEndStream), p, fragment, ev)
	}
	c.block = c.sh.takeBlock()
	c.block.stream, c.block.end, c.block.purpose = h.stream, h.has(flagEndStream), p
	c.timeBlock()
	return c.gather(fragment)
}

// timeBlock starts the timer of a header block, at the first part of its HEADERS frame.
func (c *machine) timeBlock() {
	if c.timers[blockTimer] == 0 && c.life != ended {
		c.setTimer(blockTimer, c.sh.cfg.BlockTimeout)
	}
}

// continuation handles CONTINUATION (RFC 9113 section 6.10).
func (c *machine) continuation(h frameHeader, fragment []byte, ev *Event) *ConnError {
	b := c.block
	if b == nil {
		return c.fail(CodeProtocolError, "CONTINUATION without HEADERS")
	}
	if err := c.gather(fragment); err != nil || !h.has(flagEndHeaders) {
		return err
	}
	c.block = nil
	c.clearTimer(blockTimer)
	err := c.role.section(b.stream, b.end, b.purpose, b.fragments, ev)
	c.sh.giveBlock(b)
	return err
}

// gather keeps a fragment of an incomplete block.
func (c *machine) gather(fragment []byte) *ConnError {
	b := c.block
	if len(fragment) == 0 {
		if err := c.spend(EmptyBudget); err != nil {
			return err
		}
	}
	b.frames++
	if b.frames > maxBlockFrames || len(b.fragments)+len(fragment) > maxBlock(c.role.maxHead()) {
		return c.endForFlood(BlockBudget)
	}
	b.fragments = append(b.fragments, fragment...)
	return nil
}

// decode decodes a complete header block into sh.section, or for its effect on the table alone if the
// fields are not wanted.
func (c *machine) decode(fragments []byte, wanted bool) *ConnError {
	sh := c.sh
	if c.decoder == nil {
		c.decoder = newDecoder()
	}
	var s *section
	if wanted {
		s = &sh.section
	}
	ok := c.decoder.decode(fragments, s, &sh.scratch)
	if m := c.memo(); c.decoder.changed && m.serial == c.serial {
		m.serial = 0
	}
	if cap(sh.scratch) > maxScratch {
		sh.scratch = nil
	}
	if !ok {
		// RFC 9113 section 4.3: a connection error, since the table is lost.
		return c.fail(CodeCompressionError, "header block cannot be decoded")
	}
	return nil
}

// trailers ends a message with its trailer section.
func (c *machine) trailers(id StreamID, s *section, ev *Event) *ConnError {
	st := c.streams.find(id)
	if st.expected > 0 {
		s.malformed("content differs from its content-length")
	}
	if s.bad != "" {
		return c.role.malformedContent(st, 400, s.bad, CodeProtocolError)
	}
	ev.Kind, ev.Stream, ev.Value, ev.End = Trailers, id, st.value, true
	ev.Trailers, ev.NeverIndexed = s.head.Fields, s.never
	c.ended(st)
	return nil
}
