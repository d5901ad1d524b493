package trace

import "github.com/gatewheel/gatewheel/internal/octets"

// parentLength is the length of traceparent in version 00: version, trace ID, parent ID and
// flags in hexadecimal, with hyphens between them.
const parentLength = 2 + 1 + 32 + 1 + 16 + 1 + 2

// parseParent reads traceparent (Trace Context section 3.2).
func parseParent(s string) (c Context, ok bool) {
	if len(s) < parentLength || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Context{}, false
	}
	var version, flags [1]byte
	if !decode(version[:], s[:2]) || !decode(c.TraceID[:], s[3:35]) || !decode(c.ParentID[:], s[36:52]) || !decode(flags[:], s[53:55]) {
		return Context{}, false
	}
	switch {
	case version[0] == 0xff: // section 3.2.2.1: the version is invalid
		return Context{}, false
	case version[0] == 0 && len(s) != parentLength:
		return Context{}, false
	case len(s) > parentLength && s[parentLength] != '-': // section 3.2.4: later versions may have more
		return Context{}, false
	case c.TraceID == [16]byte{} || c.ParentID == [8]byte{}:
		return Context{}, false
	}
	c.Flags = flags[0]
	if version[0] != 0 {
		c.Flags &= Sampled // section 3.2.4: of a later version this is all that is known
	}
	return c, true
}

// decode decodes hexadecimal digits in lower case. len(text) is 2*len(dst).
func decode(dst []byte, text string) bool {
	for i := range dst {
		high, low := text[2*i], text[2*i+1]
		if !isHex(high) || !isHex(low) {
			return false
		}
		dst[i] = octets.HexValue(high)<<4 | octets.HexValue(low)
	}
	return true
}

func isHex(b byte) bool { return isDigit(b) || 'a' <= b && b <= 'f' }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isLower(b byte) bool { return 'a' <= b && b <= 'z' }

// Limits of tracestate (section 3.3.1).
const (
	maxMembers = 32
	maxKey     = 256
	maxTenant  = 241
	maxSystem  = 14
	maxValue   = 256
)

// isState reports whether list is a valid tracestate that is not empty. Empty members are
// allowed. Keys occur once.
func isState(list string) bool {
	var keys [maxMembers]string
	n := 0
	for rest := list; rest != ""; {
		var member string
		member, rest = octets.CutElement(rest)
		if member == "" {
			continue
		}
		key, ok := keyOf(member)
		if !ok || n == maxMembers {
			return false
		}
		for _, other := range keys[:n] {
			if other == key {
				return false
			}
		}
		keys[n] = key
		n++
	}
	return n > 0
}

// keyOf returns the key of a member. ok is false if key or value is malformed.
func keyOf(member string) (key string, ok bool) {
	for i := range len(member) {
		if member[i] == '=' {
			return member[:i], isKey(member[:i]) && isMemberValue(member[i+1:])
		}
	}
	return "", false
}

// isKey reports whether s is the key of a vendor, or of a tenant of one (section 3.3.1.3.1).
func isKey(s string) bool {
	for i := range len(s) {
		if s[i] == '@' {
			tenant, system := s[:i], s[i+1:]
			return len(tenant) <= maxTenant && tenant != "" && (isLower(tenant[0]) || isDigit(tenant[0])) && areKeyBytes(tenant[1:]) &&
				len(system) <= maxSystem && isSimpleKey(system)
		}
	}
	return len(s) <= maxKey && isSimpleKey(s)
}

func isSimpleKey(s string) bool { return s != "" && isLower(s[0]) && areKeyBytes(s[1:]) }

func areKeyBytes(s string) bool {
	for i := range len(s) {
		switch b := s[i]; {
		case isLower(b), isDigit(b), b == '_', b == '-', b == '*', b == '/':
		default:
			return false
		}
	}
	return true
}

// isMemberValue reports whether s is the value of a member (section 3.3.1.3.2): printable ASCII
// without comma and equals sign, which does not end in a space.
func isMemberValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == ',' || b == '=' {
			return false
		}
	}
	return s != "" && len(s) <= maxValue && s[len(s)-1] != ' '
}
