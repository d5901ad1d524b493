package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// validUTF8 reports whether p is valid UTF-8. It skips ASCII at the start faster than
// utf8.Valid.
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

// utf8Check validates a text in pieces, which may end within a character. The zero
// value is ready.
type utf8Check struct {
	need   uint8 // missing bytes of an incomplete character
	lo, hi uint8 // range of the next of them
}

// add reports whether the next piece can belong to a valid text. It reports false as
// soon as a byte cannot continue its character.
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

// complete reports whether the text can end here.
func (u *utf8Check) complete() bool { return u.need == 0 }

// wholeCharacters returns the length of p without a last character that may be
// incomplete.
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

// step checks one byte. The ranges are those of RFC 3629 section 4; they exclude
// overlong forms, surrogates and values beyond U+10FFFF.
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
