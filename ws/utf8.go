package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// validUTF8 is utf8.Valid with a quicker way through the ASCII that most texts
// begin with.
func validUTF8(p []byte) bool {
	for len(p) >= 32 {
		w := p[:32]
		if (binary.LittleEndian.Uint64(w)|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]))&highBits != 0 {
			break
		}
		p = p[32:]
	}
	for len(p) >= 8 && binary.LittleEndian.Uint64(p)&highBits == 0 {
		p = p[8:]
	}
	return len(p) == 0 || utf8.Valid(p)
}

// utf8Check validates a text that comes in pieces cut anywhere. The zero value
// is at a character's boundary.
type utf8Check struct {
	need   uint8 // bytes missing of the character begun
	lo, hi uint8 // what the next of them may be
}

// add checks the next piece of the text. It is false as soon as a byte cannot
// continue any valid text, even if the character is not complete.
func (u *utf8Check) add(p []byte) bool {
	for u.need > 0 && len(p) > 0 {
		if !u.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	whole := wholeCharacters(p)
	if !validUTF8(p[:whole]) {
		return false
	}
	for _, b := range p[whole:] {
		if !u.step(b) {
			return false
		}
	}
	return true
}

// complete tells whether the text may end here.
func (u *utf8Check) complete() bool { return u.need == 0 }

// wholeCharacters gives the length of p without a character at its end that may
// be incomplete.
func wholeCharacters(p []byte) int {
	for i := 1; i <= utf8.UTFMax-1 && i <= len(p); i++ {
		if at := len(p) - i; utf8.RuneStart(p[at]) {
			if p[at] < utf8.RuneSelf {
				return len(p)
			}
			return at
		}
	}
	return len(p)
}

// step takes one byte of a character. The ranges are those of RFC 3629
// section 4, which leave out overlong forms, surrogates and what lies beyond
// U+10FFFF.
func (u *utf8Check) step(b byte) bool {
	if u.need > 0 {
		if b < u.lo || b > u.hi {
			return false
		}
		u.need--
		u.lo, u.hi = 0x80, 0xBF
		return true
	}
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case b < 0x80:
	case b < 0xC2:
		return false
	case b < 0xE0:
		u.need = 1
	case b < 0xF0:
		u.need = 2
		if b == 0xE0 {
			u.lo = 0xA0
		} else if b == 0xED {
			u.hi = 0x9F
		}
	case b < 0xF5:
		u.need = 3
		if b == 0xF0 {
			u.lo = 0x90
		} else if b == 0xF4 {
			u.hi = 0x8F
		}
	default:
		return false
	}
	return true
}
