package h2

// Classes of bytes, as bits of charClass.
const (
	tokenChar   = 1 << iota // RFC 9110 section 5.6.2
	nameChar                // a token without uppercase letters: RFC 9113 section 8.2.1
	valueChar               // RFC 9110 section 5.5: visible, obs-text, space and tab
	pathChar                // what may stand in :path: visible ASCII but "#"
	hostChar                // RFC 3986 section 3.2.2: what a name consists of, but escapes
	hexChar                 // a hexadecimal digit
	literalChar             // what else an IPv6 address consists of
	schemeChar              // RFC 3986 section 3.1
)

var charClass = func() (class [256]uint8) {
	for b := range class {
		c := byte(b)
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		upper := c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		visible := c > 0x20 && c < 0x7f
		if letter || digit || isOneOf(c, "!#$%&'*+-.^_`|~") {
			class[b] |= tokenChar
			if !upper {
				class[b] |= nameChar
			}
		}
		if visible || c >= 0x80 || c == ' ' || c == '\t' {
			class[b] |= valueChar
		}
		if visible && c != '#' {
			class[b] |= pathChar
		}
		if letter || digit || isOneOf(c, "-._~!$&'()*+,;=") {
			class[b] |= hostChar
		}
		if digit || c|0x20 >= 'a' && c|0x20 <= 'f' {
			class[b] |= hexChar
		}
		if c == ':' || c == '.' {
			class[b] |= literalChar
		}
		if letter || digit || isOneOf(c, "+-.") {
			class[b] |= schemeChar
		}
	}
	return class
}()

// lowerToken maps a token's byte to lower case, and every other byte to 0.
var lowerToken = func() (lower [256]byte) {
	for b, class := range charClass {
		if class&tokenChar != 0 {
			lower[b] = byte(b)
			if b >= 'A' && b <= 'Z' {
				lower[b] |= 0x20
			}
		}
	}
	return lower
}()

func isOneOf(c byte, set string) bool {
	for i := 0; i < len(set); i++ {
		if set[i] == c {
			return true
		}
	}
	return false
}

// consistsOf reports whether each byte of s is of the class. An empty s is.
func consistsOf(s string, class uint8) bool {
	for i := 0; i < len(s); i++ {
		if charClass[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// validValue applies RFC 9113 section 8.2.1: no control characters (RFC 9110 section 5.5), no
// space around.
func validValue(s string) bool {
	if s == "" {
		return true
	}
	if s[0] == ' ' || s[0] == '\t' || s[len(s)-1] == ' ' || s[len(s)-1] == '\t' {
		return false
	}
	return consistsOf(s, valueChar)
}

// equalFold compares ASCII without case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
			return false
		}
	}
	return true
}

// parseLength reads a content-length: digits and nothing else (RFC 9110 section 8.6); -1 when it
// is none or would overflow.
func parseLength(s string) int64 {
	if s == "" || len(s) > 18 {
		return -1
	}
	n := int64(0)
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return -1
		}
		n = n*10 + int64(d)
	}
	return n
}
