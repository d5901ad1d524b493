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

// chunkLine reads the line before a chunk. Extensions are checked and skipped,
// within bounds. Small chunks are gathered instead: then data has their content.
func (m *incoming) chunkLine(sh *Shared, in []byte, limit int64) (n int, data []byte, step readInput, err *Error) {
	if m.chunk.at == atSize && m.chunk.digits == 0 {
		if n = m.gatherChunks(sh, in, limit); n > 0 {
			return n, sh.gathered, noInput, nil
		}
	}
	for n < len(in) {
		b := in[n]
		n++
		whole, err := m.chunkByte(b)
		if err != nil {
			return n, nil, noInput, err
		}
		if whole {
			step, err = m.beginChunk(limit)
			return n, nil, step, err
		}
	}
	return n, nil, noInput, nil
}

// chunkByte reads a byte of the line before a chunk, and reports whether it was the last.
func (m *incoming) chunkByte(b byte) (whole bool, err *Error) {
	l := &m.chunk
	switch {
	case l.at == atLF:
		if b != '\n' {
			return false, errBareCR
		}
		return true, nil
	case l.at == atSize && octets.Is(b, octets.Hex):
		return false, m.sizeDigit(b)
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

// sizeDigit reads a digit of a chunk size.
func (m *incoming) sizeDigit(b byte) *Error {
	m.chunk.digits++
	if m.chunk.digits > maxSizeDigits || m.left > math.MaxInt64>>4 {
		return errChunkHuge
	}
	m.left = m.left<<4 | int64(octets.HexValue(b))
	return nil
}

// beginChunk acts on a whole line; m.left holds its size.
func (m *incoming) beginChunk(limit int64) (readInput, *Error) {
	m.chunk = chunkLine{used: true, extensions: m.chunk.extensions}
	if m.left == 0 {
		m.scanner = fieldLines()
		return lastChunk, nil
	}
	if m.left > m.contentRoom(limit) {
		return noInput, errLengthHuge
	}
	m.total += m.left
	return chunkBegun, nil
}

// contentRoom returns how many bytes of chunked content may still be announced.
func (m *incoming) contentRoom(limit int64) int64 {
	if limit > 0 {
		return limit - m.total
	}
	return math.MaxInt64 - m.total
}

// gatherChunks joins the content of small chunks at the start of in in
// sh.gathered, and returns how many bytes of in they take; 0 if there are fewer
// than two. Each piece of content costs the application as much as a large one.
// Chunks that are incomplete, large, or anything but a size without extensions
// are left to chunkByte, and so are all errors.
func (m *incoming) gatherChunks(sh *Shared, in []byte, limit int64) (n int) {
	gathered, room := sh.gathered[:0], m.contentRoom(limit)
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
	sh.gathered = gathered
	m.total += int64(len(gathered))
	m.chunk.used = true
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

// chunkEnd reads the CRLF after a chunk's data. An error means that the data is longer
// than the chunk size.
func (m *incoming) chunkEnd(in []byte) (n int, step readInput, err *Error) {
	for n < len(in) {
		b := in[n]
		n++
		if m.chunk.at != atLF {
			if b != '\r' {
				return n, noInput, lineError(b, errChunkEnd)
			}
			m.chunk.at = atLF
			continue
		}
		if b != '\n' {
			return n, noInput, errBareCR
		}
		m.chunk.at = atSize
		return n, chunkEnded, nil
	}
	return n, noInput, nil
}
