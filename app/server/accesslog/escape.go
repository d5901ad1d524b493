//go:build linux

package accesslog

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// plain are the bytes that text never escapes outside and inside quotation marks: visible ASCII without `"` and `\`.
var plain = func() (t [256]bool) {
	for b := 0x21; b < 0x7f; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// appendEscaped appends text, with each byte that could forge a line, a value or a terminal's command as \xhh: `"`,
// `\`, controls of ASCII and C1, invalid UTF-8, line separators and directional controls of Unicode, and spaces unless
// spaces may stay.
func appendEscaped[T string | []byte](dst []byte, text T, spaces bool) []byte {
	done := 0
	for i := 0; i < len(text); {
		b := text[i]
		size := 1
		switch {
		case plain[b] || b == ' ' && spaces:
			i++
			continue
		case b >= utf8.RuneSelf:
			var r rune
			r, size = decode(text[i:])
			if r != utf8.RuneError && !forges(r) || r == utf8.RuneError && size == 3 {
				i += size
				continue
			}
		}
		dst = append(dst, text[done:i]...)
		for range size {
			dst = append(dst, '\\', 'x', hexDigits[text[i]>>4], hexDigits[text[i]&15])
			i++
		}
		done = i
	}
	return append(dst, text[done:]...)
}

// decode returns the first rune of text and its size. It does not allocate.
func decode[T string | []byte](text T) (rune, int) {
	var first [utf8.UTFMax]byte
	return utf8.DecodeRune(first[:copy(first[:], text)])
}

// forges reports whether a rune that is not ASCII controls a terminal or the order of text: controls of C1, line
// separators, and directional controls (Unicode, UAX #9).
func forges(r rune) bool {
	switch {
	case r <= 0x9f, r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// appendSafeJSON appends encoded JSON with the runes that forges reports, and DEL, as \uhhhh. They are part of strings:
// JSON has them nowhere else.
func appendSafeJSON(dst, encoded []byte) []byte {
	done := 0
	for i := 0; i < len(encoded); {
		if encoded[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(encoded[i:])
		if r == 0x7f || forges(r) {
			dst = append(dst, encoded[done:i]...)
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			done = i + size
		}
		i += size
	}
	return append(dst, encoded[done:]...)
}
