package h1

import "github.com/gatewheel/gatewheel/internal/octets"

// incoming is the message that a role reads. The role keeps the state of reading.
type incoming struct {
	left    int64 // bytes of the content, or of the chunk, to come
	total   int64 // bytes of chunked content announced so far
	scanner scanner
	chunk   chunkLine
}

// beginChunks prepares for chunked content.
func (m *incoming) beginChunks() { m.left, m.total, m.chunk = 0, 0, chunkLine{} }

// next makes one step in the content, at a state before its trailers. It consumes n bytes of
// in and returns a piece of content, or nil, and the input for the state, or noInput. limit
// bounds chunked content; 0: no limit.
func (m *incoming) next(sh *Shared, at reading, in []byte, limit int64) (n int, data []byte, step readInput, err *Error) {
	if len(in) == 0 {
		return 0, nil, noInput, nil
	}
	switch at {
	case inLength:
		n, data, step = m.counted(in, lengthRead)
	case inChunk:
		n, data, step = m.counted(in, chunkRead)
	case inChunkLine:
		n, data, step, err = m.chunkLine(sh, in, limit)
	case inChunkEnd:
		n, step, err = m.chunkEnd(in)
	}
	return n, data, step, err
}

// counted takes a piece of content of a known length. whole is the input of the reading
// state after the last piece.
func (m *incoming) counted(in []byte, whole readInput) (n int, data []byte, step readInput) {
	n = len(in)
	if int64(n) > m.left {
		n = int(m.left)
	}
	m.left -= int64(n)
	if m.left == 0 {
		step = whole
	}
	return n, in[:n:n], step
}

// trailers reads the trailer section (RFC 9112 section 7.1.2), of at most limit bytes, into
// fields, but for those that inTrailer excludes. n is its length, 0 if it is incomplete.
func (m *incoming) trailers(sh *Shared, in []byte, fields []Field, limit int) (n int, read []Field, err *Error) {
	n, err = m.scanner.scanWithin(sh, in, limit)
	if n == 0 || err != nil {
		return 0, fields, err
	}
	fields = fields[:0]
	block := ""
	if len(sh.words.lines) > 0 {
		block = string(in[:n])
	}
	for _, l := range sh.words.lines {
		if f := l.field(block); inTrailer(f.Name) {
			fields = append(fields, f)
		}
	}
	m.scanner = scanner{}
	return n, fields, nil
}

// inTrailer reports whether a field is allowed in trailers (RFC 9110 section 6.5.1). Those
// about framing, routing and the connection are not, and are dropped: the message is whole
// without them, and they are meant for a reader that merges trailers into the head.
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
