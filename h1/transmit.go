package h1

import (
	"io"
	"slices"
)

// Source gives a response's content as it is pulled.
type Source interface {
	// Read fills p with the content that is ready. (0, nil): none now; Conn.Resume is
	// called when there is more. io.EOF ends the content and may come along
	// with n > 0; any other error aborts the response and the connection.
	// p may be longer than what is left of Response.Length.
	Read(p []byte) (int, error)
}

// TrailerSource is a Source that has trailers. It is asked once, after io.EOF,
// and only if the response is chunked.
type TrailerSource interface {
	Source
	Trailers() []Field
}

// FileSource is a Source that can send content past the output of Transmit. It is
// used for content whose length is known.
type FileSource interface {
	Source
	// Send sends the next bytes of the content to the peer, at most limit, and
	// returns how many it has sent. behind: output of Transmit is to be sent
	// first, so Send sends nothing now. wait: Transmit returns, and is called
	// again when the peer can take more. (0, false): Read gives the next bytes.
	Send(limit int64, behind bool) (n int64, wait bool)
}

const (
	// leastRead is the least memory that a Source is offered: to serve crumbs
	// of room costs more than to exceed it.
	leastRead = 512
	// mostRead is the most: larger pieces gain nothing, and the caller's buffer
	// stays small.
	mostRead = maxChunk
	// A chunk's header is four digits at most, CR and LF.
	chunkHeader = 6
)

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
		dst, end = c.pullContent(dst, ex, begin, bound)
		if c.first != ex || ex.state != sending {
			continue // the Source ended it from inside
		}
		switch end {
		case over:
			ex.state.step(contentPulled)
			c.complete(ex)
		case dry, full:
			return dst
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
	return ex.interim > 0 || ex.state == torn || ex.state == answered && !ex.held || ex.state == sending && ex.ready
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

// complete ends an answer that has been pulled whole.
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

// cutShort ends the connection within an answer.
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

// outcome is why no more content was pulled.
type outcome uint8

const (
	over   outcome = iota // the content is complete
	dry                   // the source has nothing now
	full                  // there is no more room
	broken                // the answer has been torn
)

func (c *Conn) pullContent(dst []byte, ex *exchange, begin, bound int) ([]byte, outcome) {
	switch ex.framing {
	case empty:
		return dst, over
	case whole:
		n := min(len(ex.bytes), max(bound-len(dst), 0))
		dst = append(dst, ex.bytes[:n]...)
		ex.bytes = ex.bytes[n:]
		if len(ex.bytes) > 0 {
			return dst, full
		}
		return dst, over
	}
	file, _ := ex.source.(FileSource)
	for {
		if !ex.ready {
			return dst, dry
		}
		if len(dst) >= bound {
			return dst, full
		}
		if file != nil && ex.framing == sized && ex.left > 0 {
			switch wait := c.sendFile(ex, file, len(dst) > begin); {
			case c.first != ex || ex.state != sending:
				return dst, broken
			case wait:
				return dst, full
			}
		}
		var end outcome
		if ex.framing == chunked {
			dst, end = c.pullChunk(dst, ex, bound)
		} else {
			dst, end = c.fill(dst, ex, bound)
		}
		if end != full {
			return dst, end
		}
	}
}

// sendFile has a source send content itself. It reports whether Transmit is to return.
func (c *Conn) sendFile(ex *exchange, file FileSource, behind bool) (wait bool) {
	n, wait := file.Send(ex.left, behind)
	if c.first != ex || ex.state != sending {
		return true
	}
	if n < 0 || n > ex.left {
		c.cutShort(errRead)
		return true
	}
	ex.left -= n
	return wait
}

// fill reads a source until it is dry or over, or dst has bound bytes, or
// mostRead bytes came.
func (c *Conn) fill(dst []byte, ex *exchange, bound int) ([]byte, outcome) {
	bound = min(max(bound, len(dst)+leastRead), len(dst)+mostRead)
	for len(dst) < bound {
		offer := bound - len(dst)
		if ex.framing == sized && int64(offer) > ex.left {
			// One byte more than is due shows a source that does not end.
			offer = int(ex.left) + 1
		}
		dst = slices.Grow(dst, offer)
		ex.ready = false
		n, err := ex.source.Read(dst[len(dst) : len(dst)+offer])
		if c.first != ex || ex.state != sending {
			return dst, broken
		}
		if n < 0 || n > offer {
			c.cutShort(errRead)
			return dst, broken
		}
		surplus := false
		if ex.framing == sized {
			surplus = int64(n) > ex.left
			n = int(min(int64(n), ex.left))
			ex.left -= int64(n)
		}
		dst = dst[:len(dst)+n]
		switch {
		case surplus, err == io.EOF && ex.framing == sized && ex.left > 0:
			c.cutShort(ErrLength)
			return dst, broken
		case err == io.EOF:
			return dst, over
		case err != nil:
			c.cutShort(err)
			return dst, broken
		case n == 0 && ex.framing == sized && ex.left == 0:
			return dst, over
		case n == 0:
			return dst, dry
		}
		ex.ready = true
	}
	return dst, full
}

// pullChunk puts the ready content of a source into one chunk: its header's place is kept
// free in front (RFC 9112 section 7.1).
func (c *Conn) pullChunk(dst []byte, ex *exchange, bound int) ([]byte, outcome) {
	begin := len(dst)
	source := ex.source
	dst = append(dst, "0000\r\n"...)
	dst, end := c.fill(dst, ex, bound-2)
	if end == broken {
		// No byte of a chunk that is not whole leaves.
		return dst[:begin], end
	}
	dst = closeChunk(dst, begin)
	if end == over {
		return c.appendTrailers(dst, source)
	}
	return dst, end
}

// closeChunk writes the header of the chunk that begins at begin, and its end.
func closeChunk(dst []byte, begin int) []byte {
	size := len(dst) - begin - chunkHeader
	if size == 0 {
		return dst[:begin]
	}
	const hex = "0123456789abcdef"
	digits := 4
	for digits > 1 && size>>(4*(digits-1)) == 0 {
		digits--
	}
	if digits < 4 {
		// A small chunk moves up to its header: some readers are not fond of
		// leading zeros.
		copy(dst[begin+digits+2:], dst[begin+chunkHeader:])
		dst = dst[:len(dst)-(4-digits)]
	}
	for i := range digits {
		dst[begin+i] = hex[size>>(4*(digits-1-i))&15]
	}
	dst[begin+digits], dst[begin+digits+1] = '\r', '\n'
	return append(dst, "\r\n"...)
}

// appendTrailers ends a chunked content. RFC 9110 section 6.5.1 wants trailers
// sent only if the recipient may do without them: that is for the application,
// which sets the Trailer field, to know. Those that would change the framing
// are left out.
func (c *Conn) appendTrailers(dst []byte, source Source) ([]byte, outcome) {
	begin := len(dst)
	dst = append(dst, "0\r\n"...)
	if t, ok := source.(TrailerSource); ok {
		for _, f := range t.Trailers() {
			if !inTrailer(f.Name) {
				continue
			}
			var err error
			if dst, _, err = appendFields(dst, []Field{f}, false); err != nil {
				c.cutShort(err)
				return dst[:begin], broken
			}
		}
	}
	return append(dst, "\r\n"...), over
}
