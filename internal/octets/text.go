package octets

import (
	"encoding/binary"
	"math/bits"
)

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

// TextEnd returns the index of the first byte of p at or after i that cannot be
// part of a field value, or len(p).
func TextEnd(p []byte, i int) int {
	for i < len(p) {
		if i+8 <= len(p) {
			mark := controls(binary.LittleEndian.Uint64(p[i:]))
			if mark == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(mark) >> 3
		}
		if !Is(p[i], Text) {
			return i
		}
		i++
	}
	return i
}

// IsText reports whether s consists of bytes that a field value may have (RFC
// 9110 section 5.5).
func IsText(s string) bool {
	if len(s) < 8 {
		return All(s, Text)
	}
	var found uint64
	for i := 0; i < len(s)-8; i += 8 {
		found |= controls(load64(s[i:]))
	}
	// The last eight bytes overlap those before.
	found |= controls(load64(s[len(s)-8:]))
	return found == 0 || All(s, Text) // HTAB is a control character, and text
}

// IsValue reports whether s is a whole field value: text without whitespace at
// its ends (RFC 9110 section 5.5).
func IsValue(s string) bool {
	return s == "" || !isBlank(s[0]) && !isBlank(s[len(s)-1]) && IsText(s)
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
