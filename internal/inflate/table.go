package inflate

import "math/bits"

// entry is one entry of a Huffman table: a symbol, or a reference to a subtable.
//
//	bits 0 to 4    bits of the code
//	bits 5 to 8    extra bits that follow the code, or index bits of the subtable
//	bits 9 to 11   kind
//	bits 16 to 31  literal, length, distance, or position of the subtable
type entry uint32

// kind is the meaning of an entry.
type kind uint8

const (
	literal kind = iota
	length       // of a match, or a distance
	endOfBlock
	subtable
	invalid
)

func newEntry(k kind, value, extra int) entry {
	return entry(value<<16 | int(k)<<9 | extra<<5)
}

func (e entry) codeBits() uint  { return uint(e & 31) }
func (e entry) extraBits() uint { return uint(e >> 5 & 15) }
func (e entry) kind() kind      { return kind(e >> 9 & 7) }
func (e entry) value() int      { return int(e >> 16) }

const (
	maxCode      = 15  // bits; RFC 1951 section 3.2.7
	maxLengths   = 286 // symbols of the literal and length alphabet
	maxDistances = 30
	maxMetas     = 19 // symbols of the code length alphabet

	// The index bits of the first table, and the entries of it and all its
	// subtables for any set of code lengths, as computed by zlib's
	// examples/enough.c for 288, 32 and 19 symbols.
	lengthRoot        = 10
	distanceRoot      = 8
	metaRoot          = 7 // the longest code length code
	lengthTableSize   = 1334
	distanceTableSize = 402
	metaTableSize     = 1 << metaRoot
)

// lookUp returns the entry of the symbol that bits begins with. Where bits has
// fewer valid bits than the entry's code, the entry means nothing.
func lookUp(table []entry, root uint, bits uint64) entry {
	e := table[bits&(1<<root-1)]
	if e.kind() == subtable {
		e = table[e.value()+int(bits>>root&(1<<e.extraBits()-1))]
	}
	return e
}

// build fills table for the canonical code with the given lengths. symbols gives
// the entry of each symbol without its code's length. It reports whether the
// code is valid: complete, or of at most one symbol. RFC 1951 section 3.2.2.
func build(table []entry, root uint, lengths []uint8, symbols []entry) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	used := len(lengths) - count[0]
	count[0] = 0
	left, longest := 1, 0
	for n := 1; n <= maxCode; n++ {
		if left = left<<1 - count[n]; left < 0 {
			return false
		}
		if count[n] > 0 {
			longest = n
		}
	}
	if left > 0 {
		if used > 1 || longest > 1 {
			return false
		}
		none := newEntry(invalid, 0, 0) | 1
		for i := range table[:1<<root] {
			table[i] = none
		}
	}
	var next [maxCode + 2]int
	for n := 1; n <= maxCode; n++ {
		next[n+1] = next[n] + count[n]
	}
	var sorted [maxLengths + 2]uint16
	for symbol, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	fillTable(table, root, sorted[:used], lengths, symbols, &count, longest)
	return true
}

// fillTable enters the symbols, which are sorted by their codes.
func fillTable(table []entry, root uint, sorted []uint16, lengths []uint8, symbols []entry, count *[maxCode + 1]int, longest int) {
	code, codeLength := uint16(0), uint(0)
	free := 1 << root             // position of the next subtable
	prefix := -1                  // first bits of the codes in the current subtable
	var sub, subBits = 0, uint(0) // its position and index bits
	for _, symbol := range sorted {
		n := uint(lengths[symbol])
		code <<= n - codeLength
		codeLength = n
		reversed := int(bits.Reverse16(code) >> (16 - n))
		code++
		e := symbols[symbol] | entry(n)
		if n <= root {
			for i := reversed; i < 1<<root; i += 1 << n {
				table[i] = e
			}
			continue
		}
		if p := reversed & (1<<root - 1); p != prefix {
			prefix = p
			sub, subBits = free, subtableBits(count, root, n, longest)
			free += 1 << subBits
			table[p] = newEntry(subtable, sub, int(subBits)) | entry(root)
		}
		for i := reversed >> root; i < 1<<subBits; i += 1 << (n - root) {
			table[sub+i] = e
		}
		count[n]--
	}
}

// subtableBits returns the index bits of the subtable whose shortest code has n
// bits: it grows until the codes that remain fill it.
func subtableBits(count *[maxCode + 1]int, root, n uint, longest int) uint {
	size := n - root
	left := 1 << size
	for int(size+root) < longest {
		if left -= count[size+root]; left <= 0 {
			break
		}
		size++
		left <<= 1
	}
	return size
}
