package h1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of octets; a byte may have several.
const (
	classToken   = 1 << iota // tchar: RFC 9110 section 5.6.2
	classTarget              // what a request target may hold, see target.go
	classRegName             // of a host name, percent signs aside: RFC 3986 section 3.2.2
	classHex
	classDigit
	classText // of a field value: RFC 9110 section 5.5
	classScheme
)

var classes = classify()

func classify() (t [256]uint8) {
	set := func(class uint8, octets string) {
		for i := range len(octets) {
			t[octets[i]] |= class
		}
	}
	for b := '0'; b <= '9'; b++ {
		t[b] |= classToken | classRegName | classHex | classDigit | classScheme
	}
	for b := 'A'; b <= 'Z'; b++ {
		t[b] |= classToken | classRegName | classScheme
		t[b+'a'-'A'] |= classToken | classRegName | classScheme
	}
	set(classHex, "abcdefABCDEF")
	set(classToken, "!#$%&'*+-.^_`|~")
	set(classRegName, "-._~!$&'()*+,;=")
	set(classScheme, "+-.")
	for b := 0x21; b < 0x7f; b++ {
		t[b] |= classTarget
	}
	t['#'] &^= classTarget
	for b := 0x20; b <= 0xff; b++ {
		t[b] |= classText
	}
	t['\t'] |= classText
	t[0x7f] &^= classText
	return t
}

func is(b byte, class uint8) bool { return classes[b]&class != 0 }

// all reports whether s has bytes of one class only. It looks at all of them
// without branching: what is checked is nearly always in order.
func all(s string, class uint8) bool {
	for i := range len(s) {
		class &= classes[s[i]]
	}
	return class != 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// controls marks, by its lowest set bit, the first of eight bytes that is a
// control character, HTAB included. Marks above the lowest one may be false.
func controls(x uint64) uint64 {
	below := (x - ones*0x20) &^ x
	del := x ^ ones*0x7f
	return (below | (del-ones)&^del) & highs
}

// textEnd returns the index of the first byte at or behind i that cannot be
// part of a field value, or len(p).
func textEnd(p []byte, i int) int {
	for i < len(p) {
		if i+8 <= len(p) {
			mark := controls(binary.LittleEndian.Uint64(p[i:]))
			if mark == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(mark) >> 3
		}
		if !is(p[i], classText) {
			return i
		}
		i++
	}
	return i
}

// isText reports whether s can be a field value.
func isText(s string) bool {
	if len(s) < 8 {
		return all(s, classText)
	}
	var found uint64
	for i := 0; i < len(s)-8; i += 8 {
		found |= controls(load64(s[i:]))
	}
	// The last eight bytes overlap those before.
	found |= controls(load64(s[len(s)-8:]))
	return found == 0 || all(s, classText) // a HTAB may be among them
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// fold reports whether s equals lower, which is in lower case, when ASCII case
// is ignored.
func fold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// trim removes optional whitespace (RFC 9110 section 5.6.3) at both ends.
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// element takes the first element off a comma-separated list.
func element(list string) (first, rest string) {
	for i := range len(list) {
		if list[i] == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), ""
}
