package h1

import "github.com/gatewheel/gatewheel/internal/octets"

// nextData emits a piece of content. whole is the input of the reading state after
// the last piece.
func (c *Conn) nextData(in []byte, ev *Event, whole readInput) (n int, more bool, err *Error) {
	if len(in) == 0 {
		return 0, false, nil
	}
	n = len(in)
	if int64(n) > c.left {
		n = int(c.left)
	}
	c.left -= int64(n)
	if c.left == 0 {
		c.read(whole)
	}
	return n, c.emit(in[:n:n], ev), nil
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

// nextTrailers reads the trailer section (RFC 9112 section 7.1.2).
func (c *Conn) nextTrailers(in []byte, ev *Event) (n int, more bool, err *Error) {
	n, err = c.scanner.scan(c.sh, in)
	if n == 0 || err != nil {
		return 0, false, err
	}
	ev.Trailers = ev.Trailers[:0]
	block := ""
	if len(c.sh.words.lines) > 0 {
		block = string(in[:n])
	}
	for _, l := range c.sh.words.lines {
		f := Field{block[l.name:l.colon], octets.Trim(block[l.colon+1 : l.end])}
		if !inTrailer(f.Name) {
			return 0, false, errTrailer
		}
		ev.Trailers = append(ev.Trailers, f)
	}
	c.scanner = scanner{}
	c.read(trailersRead)
	return n, true, nil
}

// inTrailer reports whether a field is allowed in trailers. RFC 9110 section 6.5.1
// lets a recipient drop others. Those about framing, routing and the connection are
// refused, since they are meant for a reader that merges trailers into the head.
func inTrailer(name string) bool {
	switch len(name) {
	case len("te"):
		return !octets.EqualFold(name, "te")
	case len("host"):
		return !octets.EqualFold(name, "host")
	case len("expect"):
		return !octets.EqualFold(name, "expect")
	case len("trailer"):
		return !octets.EqualFold(name, "trailer") && !octets.EqualFold(name, "upgrade")
	case len("connection"):
		return !octets.EqualFold(name, "connection") && !octets.EqualFold(name, "keep-alive")
	case len("content-length"):
		return !octets.EqualFold(name, "content-length")
	case len("transfer-encoding"):
		return !octets.EqualFold(name, "transfer-encoding")
	}
	return true
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
