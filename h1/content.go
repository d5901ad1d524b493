package h1

// nextContent reads on in a request's content.
func (c *Conn) nextContent(in []byte, ev *Event) (n int, more bool, err *Error) {
	n, data, step, err := c.next(c.sh, c.reading, in, c.sh.limits.Content)
	if err != nil {
		return n, false, err
	}
	if step != noInput {
		c.read(step)
		more = true
	}
	if data != nil {
		more = c.emit(data, ev)
	}
	return n, more, nil
}

// emit fills ev with a piece of content, or discards the piece and returns true if
// the request has been answered already.
func (c *Conn) emit(data []byte, ev *Event) (more bool) {
	if c.first == nil {
		c.discard(int64(len(data)))
		return true
	}
	c.last.arrived()
	ev.Kind, ev.ID, ev.Data = Data, c.requests, data
	return false
}

// discard counts content that is not delivered. Above Limits.Discard the connection
// ends (RFC 9112 section 9.6).
func (c *Conn) discard(n int64) {
	if c.dropped += n; c.dropped > c.sh.limits.Discard {
		c.spilled = true
		c.ending = true
		c.endIfIdle()
	}
}

// nextTrailers reads the trailers of a request.
func (c *Conn) nextTrailers(in []byte, ev *Event) (n int, more bool, err *Error) {
	n, ev.Trailers, err = c.trailers(c.sh, in, ev.Trailers, c.sh.limits.FieldSize)
	if n > 0 {
		c.read(trailersRead)
	}
	return n, n > 0, err
}

// end emits the End of a request's content. It returns true if the request has been
// answered already, so that there is no event.
func (c *Conn) end(ev *Event) (more bool) {
	trailers := c.chunk.used
	c.chunk.used = false
	if c.first == nil {
		c.read(endEmitted)
		return true
	}
	if !trailers {
		ev.Trailers = ev.Trailers[:0]
	}
	c.last.arrived()
	ev.Kind, ev.ID = End, c.requests
	if c.last.turn {
		c.read(endEmittedTurn)
	} else {
		c.read(endEmitted)
	}
	return false
}
