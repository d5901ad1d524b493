package h1

import (
	"math"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// chunkLine is how far the line before a chunk, or the line end after one, has
// been read. Its bytes are consumed one by one, so that a line that arrives in
// pieces is not read twice.
type chunkLine struct {
	used       bool // the content is chunked
	at         within
	digits     uint8
	extension  uint16 // bytes of this chunk's extensions
	extensions uint16 // bytes of all extensions of this content
}

// within is the place in a chunk's line to which the next byte belongs (RFC 9112
// sections 7.1 and 7.1.1, RFC 9110 section 5.6.4).
type within uint8

const (
	atSize      within = iota
	afterSize          // bad whitespace before a semicolon
	atName             // of an extension: its first byte, or bad whitespace before it
	inExtension        // its further bytes
	afterName          // bad whitespace before "=" or a semicolon
	atValue            // its first byte, or bad whitespace before it
	inToken            // its further bytes
	inQuoted           // a quoted string
	inEscape           // a byte after a backslash
	afterQuoted        // bad whitespace before a semicolon
	atLF               // after CR
	invalid
)

// nextChunkLine reads the line before a chunk. Extensions are checked and skipped,
// within bounds.
func (c *Conn) nextChunkLine(in []byte, ev *Event) (n int, more bool, err *Error) {
	if c.chunk.at == atSize && c.chunk.digits == 0 {
		if n = c.gatherChunks(in); n > 0 {
			return n, c.emit(c.sh.gathered, ev), nil
		}
	}
	for n < len(in) {
		b := in[n]
		n++
		whole, err := c.chunkByte(b)
		if err != nil {
			return n, false, err
		}
		if whole {
			return n, true, c.beginChunk()
		}
	}
	return n, false, nil
}

func (c *Conn) chunkByte(b byte) (whole bool, err *Error) {
	l := &c.chunk
	switch {
	case l.at == atLF:
		if b != '\n' {
			return false, errBareCR
		}
		return true, nil
	case l.at == atSize && octets.Is(b, octets.Hex):
		return false, c.sizeDigit(b)
	case l.at == atSize && l.digits == 0:
		return false, lineError(b, errChunkSize)
	}
	wrong := errChunkExtension
	if l.at <= afterSize {
		wrong = errChunkSize
	}
	if l.at = l.at.after(b); l.at == invalid {
		return false, lineError(b, wrong)
	}
	if l.at == atLF {
		return false, nil
	}
	l.extension++
	l.extensions++
	if l.extension > maxExtension || l.extensions > maxExtensions {
		return false, errChunkLong
	}
	return false, nil
}

// after returns the place of the byte that follows b. Digits of the size are not
// its matter. Whitespace at the end of the line is accepted after an extension,
// though the grammar has none there.
func (w within) after(b byte) within {
	blank := b == ' ' || b == '\t'
	token := octets.Is(b, octets.Token)
	switch w {
	case inQuoted:
		switch {
		case b == '"':
			return afterQuoted
		case b == '\\':
			return inEscape
		case octets.Is(b, octets.Text):
			return inQuoted
		}
		return invalid
	case inEscape:
		if octets.Is(b, octets.Text) {
			return inQuoted
		}
		return invalid
	case atName:
		switch {
		case blank:
			return atName
		case token:
			return inExtension
		}
		return invalid
	case atValue:
		switch {
		case blank:
			return atValue
		case token:
			return inToken
		case b == '"':
			return inQuoted
		}
		return invalid
	}
	switch {
	case b == ';':
		return atName
	case b == '\r' && w != afterSize:
		return atLF
	case b == '=' && (w == inExtension || w == afterName):
		return atValue
	case token && (w == inExtension || w == inToken):
		return w
	case !blank:
		return invalid
	case w == atSize, w == afterSize:
		return afterSize
	case w == inExtension, w == afterName:
		return afterName
	}
	return afterQuoted
}

func (c *Conn) sizeDigit(b byte) *Error {
	c.chunk.digits++
	if c.chunk.digits > maxSizeDigits || c.left > math.MaxInt64>>4 {
		return errChunkHuge
	}
	c.left = c.left<<4 | int64(octets.HexValue(b))
	return nil
}

// beginChunk acts on a whole line; c.left holds its size.
func (c *Conn) beginChunk() *Error {
	c.chunk = chunkLine{used: true, extensions: c.chunk.extensions}
	if c.left == 0 {
		c.scanner = fieldLines()
		c.read(lastChunk)
		return nil
	}
	if c.left > c.contentRoom() {
		return errLengthHuge
	}
	c.total += c.left
	c.read(chunkBegun)
	return nil
}

// contentRoom returns how many bytes of chunked content may still be announced.
func (c *Conn) contentRoom() int64 {
	if limit := c.sh.limits.Content; limit > 0 {
		return limit - c.total
	}
	return math.MaxInt64 - c.total
}

// gatherChunks joins the content of small chunks at the start of in in
// sh.gathered, and returns how many bytes of in they take; 0 if there are fewer
// than two. Each piece of content costs the application as much as a large one.
// Chunks that are incomplete, large, or anything but a size without extensions
// are left to chunkByte, and so are all errors.
func (c *Conn) gatherChunks(in []byte) (n int) {
	gathered, room := c.sh.gathered[:0], c.contentRoom()
	for chunks := 0; ; chunks++ {
		content, size := smallChunk(in[n:])
		if size == 0 || len(gathered)+len(content) > maxGathered || int64(len(content)) > room {
			if chunks < 2 {
				return 0
			}
			break
		}
		if gathered == nil {
			gathered = make([]byte, 0, maxGathered)
		}
		gathered = append(gathered, content...)
		room -= int64(len(content))
		n += size
	}
	c.sh.gathered = gathered
	c.total += int64(len(gathered))
	c.chunk.used = true
	return n
}

// smallChunk returns the content of a whole small chunk at the start of in, and
// the size of the chunk with its lines; 0 if there is none.
func smallChunk(in []byte) (content []byte, size int) {
	length, digits := 0, 0
	for digits < len(in) && length <= maxSmall && digits < maxSizeDigits && octets.Is(in[digits], octets.Hex) {
		length = length<<4 | int(octets.HexValue(in[digits]))
		digits++
	}
	begin := digits + len("\r\n")
	end := begin + length
	if length == 0 || length > maxSmall || len(in) < end+len("\r\n") || in[digits] != '\r' || in[digits+1] != '\n' || in[end] != '\r' || in[end+1] != '\n' {
		return nil, 0
	}
	return in[begin:end], end + len("\r\n")
}

// nextChunkEnd reads the CRLF after a chunk's data. more reports that input is
// missing; an error, that the data is longer than the chunk size.
func (c *Conn) nextChunkEnd(in []byte) (n int, more bool, err *Error) {
	for n < len(in) {
		b := in[n]
		n++
		if c.chunk.at != atLF {
			if b != '\r' {
				return n, false, lineError(b, errChunkEnd)
			}
			c.chunk.at = atLF
			continue
		}
		if b != '\n' {
			return n, false, errBareCR
		}
		c.chunk.at = atSize
		c.read(chunkEnded)
		return n, true, nil
	}
	return n, false, nil
}
