package h1

import "slices"

// Transmit appends output to dst, about room bytes: a head or a
// chunk's frame may exceed it. If dst comes back unchanged there is nothing to
// send now. Sources are read from here.
func (c *Conn) Transmit(dst []byte, room int) []byte {
	begin, bound := len(dst), len(dst)+room
	for c.writing == open && c.first != nil && len(dst) < bound {
		ex := c.first
		if ex.state == torn {
			c.cutShort(ErrAborted)
			return dst
		}
		if ex.takeOver {
			return c.pullTakenOver(dst, ex, begin, bound)
		}
		if ex.interim > 0 {
			return ex.pullInterim(dst)
		}
		if ex.held {
			return dst
		}
		dst = c.pullHead(dst, ex)
		if ex.state != sending {
			return dst
		}
		var end outcome
		var err error
		dst, end, err = ex.pull(dst, begin, bound)
		switch end {
		case over:
			ex.state.step(contentPulled)
			c.complete(ex)
		case dry, full:
			return dst
		case broken:
			c.cutShort(err)
		}
	}
	return dst
}

// Wanting reports whether Transmit would give something.
func (c *Conn) Wanting() bool {
	ex := c.first
	if ex == nil || c.writing != open {
		return false
	}
	return ex.takeOver || ex.interim > 0 || ex.state == torn || ex.state == answered && !ex.held || ex.state == sending && ex.ready
}

// Held returns the request whose final head waits because an informational one
// has just left, until content of the request comes or Resume is called; 0: none.
// Call Resume in a later turn if the application does not wait for content.
func (c *Conn) Held() (id uint64) {
	if ex := c.first; ex != nil && ex.held {
		return ex.id
	}
	return 0
}

// pullInterim takes the informational heads that wait. A final head does not
// follow in the same output: HAProxy (2.6) does not act on one that it reads
// together with a 100 until more comes, which may be never, since its client
// waits for that 100.
func (ex *exchange) pullInterim(dst []byte) []byte {
	dst = append(dst, ex.heads[:ex.interim]...)
	ex.heads = slices.Delete(ex.heads, 0, int(ex.interim))
	ex.interim, ex.continues = 0, false
	ex.held = ex.state == answered
	return dst
}

// pullHead takes the final head, if there is one. It gets its last lines here:
// only now is it known whether the connection ends after it.
func (c *Conn) pullHead(dst []byte, ex *exchange) []byte {
	if ex.state != answered {
		return dst
	}
	dst = append(dst, ex.heads...)
	ex.heads = ex.heads[:0]
	ex.state.step(headPulled)
	ex.out = true
	ex.last = ex.close || c.ending && ex.next == nil && !ex.switches
	if ex.last || ex.offers || ex.minor == 0 {
		dst = appendConnection(dst, ex)
	}
	return append(dst, "\r\n"...)
}

// appendConnection appends the Connection field: keep-alive for HTTP/1.0 (RFC 9112
// section 9.3), close, and upgrade for an Upgrade field (RFC 9110 section 7.8).
func appendConnection(dst []byte, ex *exchange) []byte {
	dst = append(dst, "Connection: "...)
	switch {
	case ex.last:
		dst = append(dst, "close"...)
	case ex.minor == 0:
		dst = append(dst, "keep-alive"...)
	}
	if ex.offers {
		if ex.last || ex.minor == 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, "upgrade"...)
	}
	return append(dst, "\r\n"...)
}

// complete ends a response that has been pulled whole.
func (c *Conn) complete(ex *exchange) {
	switch {
	case ex.switches:
		c.pop()
		c.writing.step(turnPulled)
		c.read(turnTaken)
	case ex.last || c.ending && ex.next == nil:
		c.spilled = c.spilled || c.reading.content()
		c.dropAll()
		c.stop()
		c.writing.step(lastPulled)
	default:
		c.pop()
		// RFC 9112 section 9.6: no content is discarded if its length is known to
		// exceed the limit.
		if c.first == nil && c.reading == inLength && c.left > c.sh.limits.Discard {
			c.spilled = true
			c.ending = true
			c.endIfIdle()
		}
	}
}

// cutShort ends the connection within a response.
func (c *Conn) cutShort(err error) {
	if c.cut == nil {
		c.cut = &err
	}
	if ex := c.first; ex != nil && ex.framing == untilShut && ex.out {
		c.resets = true
	}
	c.writing.step(answerTorn)
	c.ending = true
	if c.reading != switched {
		c.reading = shut
	}
	c.dropAll()
}

// Abort ends a response that cannot be given or completed. Answers of earlier requests
// still leave, then the connection is to be closed; Err returns ErrAborted. See Resets.
func (c *Conn) Abort(id uint64) {
	ex := c.find(id)
	if ex == nil || !ex.state.step(tore) {
		return
	}
	c.dropAfter(ex)
	c.stop()
	if ex == c.first {
		c.cutShort(ErrAborted)
	}
}

// Resume announces that the Source of a response has more content, or has ended, and
// releases a head that is held.
func (c *Conn) Resume(id uint64) {
	if ex := c.find(id); ex != nil {
		ex.ready, ex.held = true, false
	}
}
