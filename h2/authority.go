package h2

import "strings"

// validAuthority checks a host with an optional port and without userinfo (RFC 9110 section 4.2.4,
// RFC 3986 section 3.2). The empty one is valid.
func validAuthority(s string) bool {
	if s == "" {
		return true
	}
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && s[len(s)-1] != ']' {
		if !validPort(s[i+1:]) {
			return false
		}
		host = s[:i]
	}
	// RFC 9110 section 4.2.1: where there is an authority, its host is not empty.
	switch {
	case host == "":
		return false
	case host[0] == '[':
		return host[len(host)-1] == ']' && validLiteral(host[1:len(host)-1])
	}
	return validName(host)
}

// validPort: RFC 3986 section 3.2.3 lets a port be empty; there is none above 65535.
func validPort(s string) bool {
	n := parseLength(s)
	return s == "" || n >= 0 && n <= 65535
}

// validName checks a registered name or an IPv4 address, with escapes.
func validName(s string) bool {
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			return consistsOf(s, hostChar)
		}
		if !consistsOf(s[:i], hostChar) || len(s) < i+3 || !consistsOf(s[i+1:i+3], hexChar) {
			return false
		}
		s = s[i+3:]
	}
}

// validLiteral checks an IPv6 address, as to its characters and how many colons it has, or what
// RFC 3986 section 3.2.2 keeps for versions to come. Zones mean nothing to anybody else.
func validLiteral(s string) bool {
	if version, address, ok := strings.Cut(s, "."); ok && version != "" && version[0]|0x20 == 'v' {
		return len(version) > 1 && consistsOf(version[1:], hexChar) && address != "" && consistsOf(strings.ReplaceAll(address, ":", ""), hostChar)
	}
	colons := strings.Count(s, ":")
	return colons >= 2 && colons <= 8 && consistsOf(s, hexChar|literalChar)
}
