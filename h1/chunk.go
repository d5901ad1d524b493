package h1

import (
	"math"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// chunkLine is how far the line in front of a chunk, or the line end behind
// one, has been read. Its bytes are consumed one by one, so that a line that
// comes in pieces is not read twice.
type chunkLine struct {
	used       bool   // the content is chunked
	at         within // what the next byte belongs to
	digits     uint8
	extension  uint16 // bytes of this chunk's extensions
	extensions uint16 // bytes of all extensions of this content
}

type within uint8

const (
	atSize within = iota
	atExtension
	atLF
)

// nextChunkLine: RFC 9112 section 7.1. Extensions are skipped (section 7.1.1),
// within bounds.
func (c *Conn) nextChunkLine(in []byte) (n int, more bool, err *Error) {
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
	switch l.at {
	case atSize:
		switch {
		case octets.Is(b, octets.Hex):
			return false, c.sizeDigit(b)
		case l.digits == 0:
			return false, lineError(b, errChunkSize)
		case b == '\r':
			l.at = atLF
			return false, nil
		case b == ';':
			// The grammar has room for whitespace in front, which nobody may
			// send (RFC 9110 section 5.6.3) and readers disagree about: it is
			// refused.
			l.at = atExtension
		default:
			return false, lineError(b, errChunkSize)
		}
	case atExtension:
		if b == '\r' {
			l.at = atLF
			return false, nil
		}
		if !octets.Is(b, octets.Text) {
			return false, lineError(b, errChunkExtension)
		}
	case atLF:
		if b != '\n' {
			return false, errBareCR
		}
		return true, nil
	}
	l.extension++
	l.extensions++
	if l.extension > maxExtension || l.extensions > maxExtensions {
		return false, errChunkLong
	}
	return false, nil
}

func (c *Conn) sizeDigit(b byte) *Error {
	c.chunk.digits++
	if c.chunk.digits > maxSizeDigits || c.left > math.MaxInt64>>4 {
		return errChunkHuge
	}
	digit := b - '0'
	if b > '9' {
		digit = b | 0x20 - 'a' + 10
	}
	c.left = c.left<<4 | int64(digit)
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
	limit := c.sh.limits.Content
	if limit <= 0 {
		limit = math.MaxInt64
	}
	if c.left > limit-c.total {
		return errLengthHuge
	}
	c.total += c.left
	c.read(chunkBegun)
	return nil
}

// nextChunkEnd reads the line end behind a chunk: the chunk was as long as it
// said.
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
