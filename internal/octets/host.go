package octets

import (
	"net/netip"
	"strings"
)

// Host returns the normal form of the host of an authority, host[:port], or ""
// if there is no valid one. Hosts are the same if, and only if, their normal
// forms are equal (RFC 9110 section 4.2.3, RFC 3986 section 6.2.2):
//
//   - letters are in lower case, and so are those of percent-encoded octets;
//   - percent-encoded octets that need no encoding are decoded, the others have
//     uppercase digits;
//   - the final dot of a fully qualified name is left out;
//   - an IPv6 address has brackets and the form of RFC 5952. One without
//     brackets is accepted if no port follows, as in lists of names.
//
// Addresses with a zone are refused: a zone means nothing to another host. The
// normal form of a normal form is itself, and part of the same memory.
func Host(authority string) string {
	if name, ok := plainName(authority); ok {
		return name
	}
	host, _, ok := SplitAuthority(authority)
	switch {
	case ok && host == "":
		return ""
	case ok && host[0] == '[':
		return normalLiteral(host)
	case ok:
		return normalName(host)
	}
	if a, err := netip.ParseAddr(authority); err == nil && a.Is6() && a.Zone() == "" {
		return "[" + a.String() + "]"
	}
	return ""
}

// Authority returns the normal form of an authority in a URI of that scheme, or
// "" if it is invalid: that of Host, and the port unless it is empty or the
// scheme's default.
func Authority(scheme, authority string) string {
	host, port := Host(authority), ""
	if host == "" {
		return ""
	}
	if _, given, ok := SplitAuthority(authority); ok {
		port = normalPort(scheme, given)
	}
	switch size := len(host) + 1 + len(port); {
	case port == "":
		return host
	case len(authority) == size && authority[:len(host)] == host && authority[len(host)+1:] == port:
		return authority
	}
	return host + ":" + port
}

// SameAuthority reports whether two authorities in URIs of that scheme name the
// same host and port. Invalid ones are not the same as any other.
func SameAuthority(scheme, a, b string) bool {
	if a == b {
		return Host(a) != ""
	}
	a = Authority(scheme, a)
	return a != "" && a == Authority(scheme, b)
}

// ValidAuthority reports whether s is a host with an optional port, without
// userinfo (RFC 9110 sections 4.2 and 7.2). The empty string is valid; it is
// what Host says where the target has no authority.
func ValidAuthority(s string) bool {
	if _, ok := plainName(s); ok || s == "" {
		return true
	}
	_, _, ok := SplitAuthority(s)
	return ok
}

// SplitAuthority returns the host and the port of an authority, as they are.
// The brackets of an address belong to the host; the port is "" if there is none
// or if nothing follows its colon. ok is false if the authority is invalid. An
// empty one is valid.
func SplitAuthority(s string) (host, port string, ok bool) {
	if s == "" {
		return "", "", true
	}
	end := 0
	if s[0] == '[' {
		end = strings.IndexByte(s, ']') + 1
		ok = end > 0 && validLiteral(s[1:end-1])
	} else {
		end, ok = nameEnd(s)
	}
	if !ok || end == 0 {
		return "", "", false
	}
	if end == len(s) {
		return s, "", true
	}
	if s[end] != ':' || !validPort(s[end+1:]) {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}

// plainName returns the host of an authority. ok is false if the authority is
// invalid or its host is not a name in normal form.
func plainName(authority string) (host string, ok bool) {
	end := 0
	for end < len(authority) && plain[authority[end]] {
		end++
	}
	if end == 0 || authority[end-1] == '.' {
		return "", false
	}
	if end < len(authority) && (authority[end] != ':' || !validPort(authority[end+1:])) {
		return "", false
	}
	return authority[:end], true
}

// plain are the octets that a normal name has as they are.
var plain = func() (t [256]bool) {
	for b := range t {
		t[b] = Is(byte(b), RegName) && ToLower(byte(b)) == byte(b)
	}
	return t
}()

// nameEnd returns the length of the name, percent-encoded octets included, at
// the start of s.
func nameEnd(s string) (end int, ok bool) {
	for end < len(s) {
		switch {
		case Is(s[end], RegName):
			end++
		case s[end] != '%':
			return end, validEnd(s[:end])
		case end+2 < len(s) && Is(s[end+1], Hex) && Is(s[end+2], Hex):
			end += 3
		default:
			return end, false
		}
	}
	return end, validEnd(s)
}

// validEnd refuses a name without a label before its final dot: without that
// dot it would be empty, or end in a dot again.
func validEnd(name string) bool {
	return name != "." && !strings.HasSuffix(name, "..")
}

// validPort reports whether s is a port or empty (RFC 3986 section 3.2.3). A
// number above 65535 is no port.
func validPort(s string) bool {
	n := Decimal(s)
	return s == "" || 0 <= n && n <= 65535
}

// validLiteral checks the text in brackets (RFC 3986 section 3.2.2): an IPv6
// address without a zone, or the form that is kept for later versions.
func validLiteral(s string) bool {
	if s != "" && s[0]|0x20 == 'v' {
		version, address, ok := strings.Cut(s[1:], ".")
		if !ok || version == "" || address == "" || !All(version, Hex) {
			return false
		}
		for i := range len(address) {
			if address[i] != ':' && !Is(address[i], RegName) {
				return false
			}
		}
		return true
	}
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}

// normalLiteral takes a valid literal with its brackets.
func normalLiteral(host string) string {
	a, err := netip.ParseAddr(host[1 : len(host)-1])
	if err != nil {
		return LowerString(host)
	}
	var room [64]byte
	text := append(a.AppendTo(append(room[:0], '[')), ']')
	if string(text) == host {
		return host
	}
	return string(text)
}

// normalName takes a valid name.
func normalName(name string) string {
	var room [64]byte
	text := room[:0]
	for i := 0; i < len(name); i++ {
		b := name[i]
		if b == '%' {
			b = HexValue(name[i+1])<<4 | HexValue(name[i+2])
			i += 2
			if !unreserved(b) {
				const hex = "0123456789ABCDEF"
				text = append(text, '%', hex[b>>4], hex[b&15])
				continue
			}
		}
		text = append(text, ToLower(b))
	}
	if text[len(text)-1] == '.' {
		text = text[:len(text)-1]
	}
	// Of several final dots some were encoded, so that validEnd did not see them.
	if len(text) == 0 || text[len(text)-1] == '.' {
		return ""
	}
	if string(text) == name {
		return name
	}
	return string(text)
}

// unreserved: RFC 3986 section 2.3.
func unreserved(b byte) bool {
	return IsLetter(b) || Is(b, Digit) || b == '-' || b == '.' || b == '_' || b == '~'
}

// normalPort takes a valid port: no leading zeros, and "" for the default.
func normalPort(scheme, port string) string {
	for len(port) > 1 && port[0] == '0' {
		port = port[1:]
	}
	if port == DefaultPort(scheme) {
		return ""
	}
	return port
}

// DefaultPort returns the port that a URI of that scheme has without naming
// one, or "" if the scheme is not one of http, https, ws and wss.
func DefaultPort(scheme string) string {
	switch {
	case EqualFold(scheme, "http"), EqualFold(scheme, "ws"):
		return "80"
	case EqualFold(scheme, "https"), EqualFold(scheme, "wss"):
		return "443"
	}
	return ""
}
