// Package inflate decompresses DEFLATE (RFC 1951) without input or output of
// its own. A [Decoder] takes compressed bytes as they arrive, in parts cut
// anywhere, and can stop and go on at any byte, which the readers of the
// standard library cannot: they pull their input and must block for it.
//
// The caller owns the output: one buffer that begins with the window, the plain
// text to which references may reach back, and to which Decode appends.
//
//	var d inflate.Decoder
//	d.Reset(inflate.MaxWindow)
//	buf, used, status := d.Decode(buf, in)
//	switch status {
//	case inflate.NeedInput:  // all of in was used
//	case inflate.OutputFull: // call again with in[used:] and room in buf
//	case inflate.Busy:       // call again with in[used:]
//	case inflate.Corrupt:    // the stream is invalid
//	}
package inflate

import "encoding/binary"

// MaxWindow is the largest window in bytes. RFC 1951 section 2.
const MaxWindow = 32 << 10

// maxTables is the number of Huffman tables that one call of Decode builds.
// A table takes a few bytes of input and several microseconds.
const maxTables = 16

// Status is the reason why Decode returned.
type Status uint8

const (
	// NeedInput: all input was used.
	NeedInput Status = iota
	// OutputFull: the next symbol does not fit the buffer.
	OutputFull
	// Busy: the call has built as many Huffman tables as one call may.
	Busy
	// Corrupt: the input is not valid DEFLATE. The Decoder must be reset.
	Corrupt
)

// mode is the part of a stream that a Decoder is in.
type mode uint8

const (
	blockHeader mode = iota // the three bits that begin a block
	storedLength
	storedData
	tableSizes  // HLIT, HDIST and HCLEN
	codeLengths // code lengths of the code length alphabet
	symbolCodes // code lengths of the other two alphabets
	symbols     // compressed data
	match       // the rest of a match that did not fit the output
)

// Decoder decodes a series of DEFLATE streams, each of which begins at a byte
// boundary. It is about 8 KiB large. The zero value must be Reset before use.
type Decoder struct {
	bits  uint64 // unused input, the next bit lowest; zero beyond count
	count uint   // bits in bits

	mode   mode
	final  bool // the current block is the last one of its stream
	window int

	stored      int // bytes left of a stored block
	matchLength int // bytes left of a match
	matchOffset int

	// While the tables of a block are read.
	sizes   [3]int // symbols of the length, distance and code length alphabets
	read    int    // code lengths read
	lengths [maxLengths + maxDistances]uint8

	lengthTable, distanceTable []entry // the current block's
	ownLengths                 [lengthTableSize]entry
	ownDistances               [distanceTableSize]entry

	streams int // streams that have ended
	tables  int // Huffman tables built
}

// Reset prepares d for a new series of streams. A reference that reaches back
// further than window bytes is an error.
func (d *Decoder) Reset(window int) {
	d.bits, d.count = 0, 0
	d.mode, d.final = blockHeader, false
	d.window = window
	d.lengthTable, d.distanceTable = nil, nil
	d.streams, d.tables = 0, 0
}

// AtBoundary reports whether the input ended exactly with a block, or no input
// came yet.
func (d *Decoder) AtBoundary() bool { return d.mode == blockHeader && d.count == 0 }

// StreamEnded reports whether the input ended exactly with a stream's last
// block.
func (d *Decoder) StreamEnded() bool { return d.AtBoundary() && d.final }

// Streams returns the number of streams that have ended since Reset.
func (d *Decoder) Streams() int { return d.streams }

// Tables returns the number of Huffman tables built since Reset.
func (d *Decoder) Tables() int { return d.tables }

// Decode decompresses in and appends the plain text to out, within out's
// capacity. The bytes already in out are the window. used is the number of bytes
// of in that were consumed; they need not be presented again.
func (d *Decoder) Decode(out, in []byte) (plain []byte, used int, status Status) {
	tables := d.tables
	rest := in
	for {
		switch d.mode {
		case symbols:
			out, rest, status = d.symbols(out, rest)
		case match:
			out, status = d.match(out)
		case storedData:
			out, rest, status = d.storedData(out, rest)
		default:
			if d.tables-tables >= maxTables {
				return out, len(in) - len(rest), Busy
			}
			rest, status = d.header(rest)
		}
		if status != goOn {
			return out, len(in) - len(rest), status
		}
	}
}

// goOn is the status of a step after which the next one can be taken.
const goOn Status = 255

// fill moves input to d.bits until it has n bits. n is at most 56.
func (d *Decoder) fill(in []byte, n uint) (rest []byte, ok bool) {
	for d.count < n {
		if len(in) == 0 {
			return in, false
		}
		d.bits |= uint64(in[0]) << d.count
		d.count += 8
		in = in[1:]
	}
	return in, true
}

// take returns the next n bits, which must be there.
func (d *Decoder) take(n uint) int {
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.count -= n
	return int(v)
}

// header reads one part of a block's header.
func (d *Decoder) header(in []byte) (rest []byte, status Status) {
	switch d.mode {
	case blockHeader:
		return d.blockHeader(in)
	case storedLength:
		return d.storedLength(in)
	case tableSizes:
		return d.tableSizes(in)
	case codeLengths:
		return d.codeLengths(in)
	}
	return d.symbolCodes(in)
}

// blockHeader: RFC 1951 section 3.2.3.
func (d *Decoder) blockHeader(in []byte) (rest []byte, status Status) {
	rest, ok := d.fill(in, 3)
	if !ok {
		return rest, NeedInput
	}
	d.final = d.take(1) == 1
	switch d.take(2) {
	case 0:
		d.take(d.count % 8)
		d.mode = storedLength
	case 1:
		d.lengthTable, d.distanceTable = fixedLengths[:], fixedDistances[:]
		d.mode = symbols
	case 2:
		d.mode = tableSizes
	default:
		return rest, Corrupt
	}
	return rest, goOn
}

// endBlock follows the last symbol or byte of a block. Streams are separated at
// byte boundaries.
func (d *Decoder) endBlock() {
	d.mode = blockHeader
	if d.final {
		d.take(d.count % 8)
		d.streams++
	}
}

// storedLength: RFC 1951 section 3.2.4.
func (d *Decoder) storedLength(in []byte) (rest []byte, status Status) {
	rest, ok := d.fill(in, 32)
	if !ok {
		return rest, NeedInput
	}
	d.stored = d.take(16)
	if d.take(16) != d.stored^0xFFFF {
		return rest, Corrupt
	}
	d.mode = storedData
	return rest, goOn
}

func (d *Decoder) storedData(out, in []byte) (plain, rest []byte, status Status) {
	for d.count > 0 && d.stored > 0 {
		if len(out) == cap(out) {
			return out, in, OutputFull
		}
		out = append(out, byte(d.take(8)))
		d.stored--
	}
	n := min(d.stored, len(in), cap(out)-len(out))
	out = append(out, in[:n]...)
	in = in[n:]
	switch d.stored -= n; {
	case d.stored == 0:
		d.endBlock()
		return out, in, goOn
	case len(in) == 0:
		return out, in, NeedInput
	}
	return out, in, OutputFull
}

// symbols decodes compressed data until the block ends or the input or the room
// for output does. RFC 1951 section 3.2.5.
func (d *Decoder) symbols(out, in []byte) (plain, rest []byte, status Status) {
	out, in, status = d.symbolsFast(out, in)
	if status != goOn || d.mode != symbols {
		return out, in, status
	}
	// A length with its distance has at most 48 bits.
	in, _ = d.fill(in, 56-7)
	e := lookUp(d.lengthTable, lengthRoot, d.bits)
	need := e.codeBits() + e.extraBits()
	switch {
	case e.codeBits() > d.count:
		return out, in, NeedInput
	case e.kind() == invalid:
		return out, in, Corrupt
	case need > d.count:
		return out, in, NeedInput
	}
	switch e.kind() {
	case literal:
		if len(out) == cap(out) {
			return out, in, OutputFull
		}
		d.take(need)
		return append(out, byte(e.value())), in, goOn
	case endOfBlock:
		d.take(need)
		d.endBlock()
		return out, in, goOn
	}
	back := lookUp(d.distanceTable, distanceRoot, d.bits>>need)
	switch {
	case need+back.codeBits() > d.count:
		return out, in, NeedInput
	case back.kind() == invalid:
		return out, in, Corrupt
	case need+back.codeBits()+back.extraBits() > d.count:
		return out, in, NeedInput
	case len(out) == cap(out):
		return out, in, OutputFull
	}
	d.take(e.codeBits())
	d.matchLength = e.value() + d.take(e.extraBits())
	d.take(back.codeBits())
	d.matchOffset = back.value() + d.take(back.extraBits())
	if d.matchOffset > min(len(out), d.window) {
		return out, in, Corrupt
	}
	d.mode = match
	return out, in, goOn
}

// match copies as much of a match as fits.
func (d *Decoder) match(out []byte) (plain []byte, status Status) {
	n := min(d.matchLength, cap(out)-len(out))
	out = appendMatch(out, d.matchOffset, n)
	if d.matchLength -= n; d.matchLength > 0 {
		return out, OutputFull
	}
	d.mode = symbols
	return out, goOn
}

// appendMatch appends n bytes to out that begin offset bytes before its end. A
// match may overlap itself.
func appendMatch(out []byte, offset, n int) []byte {
	at := len(out)
	from := at - offset
	out = out[:at+n]
	for at < len(out) {
		at += copy(out[at:], out[from:at])
	}
	return out
}

const maxMatch = 258

// symbolsFast decodes while there are eight bytes of input and room for the
// longest match.
func (d *Decoder) symbolsFast(out, in []byte) (plain, rest []byte, status Status) {
	bits, count := d.bits, d.count
	lengths, distances := d.lengthTable[:1<<lengthRoot], d.distanceTable[:1<<distanceRoot]
	at := len(out)
	end := cap(out) - maxMatch
	full := out[:cap(out)]
	status = goOn
	for len(in) >= 8 && at < end {
		// Bits beyond count are those of the bytes that stay in the input; adding
		// the same bytes again does not change them.
		bits |= binary.LittleEndian.Uint64(in) << count
		in = in[(63-count)>>3:]
		count |= 56

		e := lengths[bits&(1<<lengthRoot-1)]
		if e.kind() == literal {
			bits >>= e.codeBits()
			count -= e.codeBits()
			full[at] = byte(e.value())
			at++
			// Another literal leaves enough for a length and its distance.
			if e = lengths[bits&(1<<lengthRoot-1)]; e.kind() == literal {
				bits >>= e.codeBits()
				count -= e.codeBits()
				full[at] = byte(e.value())
				at++
				continue
			}
			if count < 48 {
				continue
			}
		}
		if e.kind() == subtable {
			e = d.lengthTable[e.value()+int(bits>>lengthRoot&(1<<e.extraBits()-1))]
		}
		bits >>= e.codeBits()
		count -= e.codeBits()
		if e.kind() != length {
			if e.kind() == literal {
				full[at] = byte(e.value())
				at++
				continue
			}
			if e.kind() == endOfBlock {
				d.bits, d.count = bits&(1<<count-1), count
				d.endBlock()
				return full[:at], in, goOn
			}
			status = Corrupt
			break
		}
		n := e.value() + int(bits&(1<<e.extraBits()-1))
		bits >>= e.extraBits()
		count -= e.extraBits()
		if e = distances[bits&(1<<distanceRoot-1)]; e.kind() == subtable {
			e = d.distanceTable[e.value()+int(bits>>distanceRoot&(1<<e.extraBits()-1))]
		}
		bits >>= e.codeBits()
		count -= e.codeBits()
		offset := e.value() + int(bits&(1<<e.extraBits()-1))
		bits >>= e.extraBits()
		count -= e.extraBits()
		if e.kind() == invalid || offset > at || offset > d.window {
			status = Corrupt
			break
		}
		if offset >= n {
			copy(full[at:at+n], full[at-offset:])
			at += n
		} else {
			at = len(appendMatch(full[:at], offset, n))
		}
	}
	d.bits, d.count = bits&(1<<count-1), count
	return full[:at], in, status
}
