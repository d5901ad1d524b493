package h1

import (
	"io"
	"slices"
)

// Source is the content of a message, which the machine reads when it has room for output.
type Source interface {
	// Read fills p with the content that is ready. (0, nil): none now; Resume is
	// called when there is more. io.EOF ends the content and may come along
	// with n > 0; any other error aborts the message and the connection.
	// p may be longer than what is left of the stated length.
	Read(p []byte) (int, error)
}

// TrailerSource is a Source that has trailers. It is asked once, after io.EOF,
// and only if the content is chunked.
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
	// again when the peer can take more. (0, false): the next bytes are read by Read.
	Send(limit int64, behind bool) (n int64, wait bool)
}

const (
	// leastRead is the smallest buffer in bytes that a Source gets: a Read of few bytes costs
	// more than output that exceeds its room.
	leastRead = 512
	// mostRead is the largest: larger pieces are not faster, and the caller's buffer stays
	// small.
	mostRead = maxChunk
	// A chunk's header is four digits at most, CR and LF.
	chunkHeader = 6
)

// outgoing is the content of a message that a role sends.
type outgoing struct {
	bytes   []byte // content to be pulled
	source  Source
	left    int64  // bytes of source that were not read, if framing is sized
	uses    uint32 // changes when the message ends, also from inside a call of source
	framing framing
	ready   bool // source may have content
	exact   bool // the last byte of sized content waits for the end of source
	waits   bool // it does now, in final
	final   byte
}

// framing is how a message shows the end of its content (RFC 9112 section 6.3).
type framing uint8

const (
	empty     framing = iota // there is none
	whole                    // all of outgoing.bytes
	sized                    // Content-Length and a source
	chunked                  // chunks from a source
	untilShut                // a source, until the connection closes
)

// drop ends the message.
func (o *outgoing) drop() { *o = outgoing{uses: o.uses + 1} }

// outcome is why no more content was pulled.
type outcome uint8

const (
	over   outcome = iota // the content is complete
	dry                   // the source has nothing now
	full                  // there is no more room
	broken                // the source has failed: there is an error
	gone                  // the message has ended from inside the source
)

// pull appends content to dst, which had begin bytes when output began, until it has
// bound bytes.
func (o *outgoing) pull(dst []byte, begin, bound int) ([]byte, outcome, error) {
	switch o.framing {
	case empty:
		return dst, over, nil
	case whole:
		n := min(len(o.bytes), max(bound-len(dst), 0))
		dst = append(dst, o.bytes[:n]...)
		o.bytes = o.bytes[n:]
		if len(o.bytes) > 0 {
			return dst, full, nil
		}
		return dst, over, nil
	}
	file, _ := o.source.(FileSource)
	for {
		if !o.ready {
			return dst, dry, nil
		}
		if len(dst) >= bound {
			return dst, full, nil
		}
		if file != nil && o.framing == sized && o.fileRoom() > 0 {
			if end, err := o.sendFile(file, len(dst) > begin); end != over {
				return dst, end, err
			}
		}
		var end outcome
		var err error
		if o.framing == chunked {
			dst, end, err = o.pullChunk(dst, bound)
		} else {
			dst, end, err = o.fill(dst, bound)
		}
		if end != full {
			return dst, end, err
		}
	}
}

// sendFile has a source send content itself. over means that the source is to be read
// now, full that Transmit is to return.
func (o *outgoing) sendFile(file FileSource, behind bool) (outcome, error) {
	use, room := o.uses, o.fileRoom()
	n, wait := file.Send(room, behind)
	if o.uses != use {
		return gone, nil
	}
	if n < 0 || n > room {
		return broken, errRead
	}
	o.left -= n
	if wait {
		return full, nil
	}
	return over, nil
}

// fileRoom returns how many bytes a source may send itself.
func (o *outgoing) fileRoom() int64 {
	if o.exact {
		return o.left - 1
	}
	return o.left
}

// fill reads a source until it is dry or over, or dst has bound bytes, or
// mostRead bytes came.
func (o *outgoing) fill(dst []byte, bound int) ([]byte, outcome, error) {
	bound = min(max(bound, len(dst)+leastRead), len(dst)+mostRead)
	for len(dst) < bound {
		offer := bound - len(dst)
		if o.framing == sized && int64(offer) > o.left {
			// One byte more than is due shows a source that does not end.
			offer = int(o.left) + 1
		}
		dst = slices.Grow(dst, offer)
		o.ready = false
		use := o.uses
		n, err := o.source.Read(dst[len(dst) : len(dst)+offer])
		if o.uses != use {
			return dst, gone, nil
		}
		if n < 0 || n > offer {
			return dst, broken, errRead
		}
		if o.framing == sized {
			if int64(n) > o.left {
				if o.exact {
					return dst, broken, ErrLength
				}
				return dst[:len(dst)+int(o.left)], broken, ErrLength
			}
			o.left -= int64(n)
		}
		dst = dst[:len(dst)+n]
		switch {
		case err == io.EOF:
			return o.end(dst)
		case err != nil:
			return dst, broken, err
		case n == 0 && o.framing == sized && o.left == 0 && !o.exact:
			return dst, over, nil
		case n == 0:
			return dst, dry, nil
		case o.exact && o.left == 0:
			o.final, o.waits = dst[len(dst)-1], true
			dst = dst[:len(dst)-1]
		}
		o.ready = true
	}
	return dst, full, nil
}

// end handles the end of a source.
func (o *outgoing) end(dst []byte) ([]byte, outcome, error) {
	if o.framing == sized && o.left > 0 {
		return dst, broken, ErrLength
	}
	if o.waits {
		dst = append(dst, o.final)
	}
	return dst, over, nil
}

// pullChunk puts the ready content of a source into one chunk: its header's place is kept
// free in front (RFC 9112 section 7.1).
func (o *outgoing) pullChunk(dst []byte, bound int) ([]byte, outcome, error) {
	begin := len(dst)
	dst = append(dst, "0000\r\n"...)
	dst, end, err := o.fill(dst, bound-2)
	if end >= broken {
		// No byte of a chunk that is not whole leaves.
		return dst[:begin], end, err
	}
	dst = closeChunk(dst, begin)
	if end == over {
		return o.appendTrailers(dst)
	}
	return dst, end, nil
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
		// A small chunk moves up to its header: some parsers refuse leading
		// zeros.
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
func (o *outgoing) appendTrailers(dst []byte) ([]byte, outcome, error) {
	begin := len(dst)
	dst = append(dst, "0\r\n"...)
	if t, ok := o.source.(TrailerSource); ok {
		use := o.uses
		trailers := t.Trailers()
		if o.uses != use {
			return dst[:begin], gone, nil
		}
		for _, f := range trailers {
			if !inTrailer(f.Name) {
				continue
			}
			var err error
			if dst, _, err = appendFields(dst, []Field{f}, false); err != nil {
				return dst[:begin], broken, err
			}
		}
	}
	return append(dst, "\r\n"...), over, nil
}
