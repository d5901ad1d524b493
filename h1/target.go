package h1

import "strings"

// The request target.
//
// Visible ASCII is accepted, which is more than RFC 3986 allows: browsers
// leave characters such as | { } ^ and the double quote unescaped in queries
// (the WHATWG's URL standard says so), and no two readers split them
// differently. Refused are: controls and space, which end the target for some;
// #, since some cut the target there and others do not; and bytes above ASCII,
// which have no meaning in a URI and which each recipient normalises in a way
// of its own. Percent signs are left to whoever unescapes.

// setTarget finds the form of h.Target and its parts. RFC 9112 section 3.2:
// the form depends on the method.
func (h *Head) setTarget() *Error {
	t := h.Target
	switch {
	case h.Method == "CONNECT":
		// RFC 9112 section 3.2.3, RFC 9110 section 9.3.6: host and port, no more.
		if !validAuthority(t, true) {
			return errAuthority
		}
		h.Form, h.Authority = AuthorityForm, t
		return nil
	case t[0] == '/':
		h.Form = OriginForm
		h.setPath(t)
		return nil
	case t == "*":
		// RFC 9112 section 3.2.4.
		if h.Method != "OPTIONS" {
			return errForm
		}
		h.Form, h.Path = AsteriskForm, t
		return nil
	}
	return h.setAbsolute(t)
}

func (h *Head) setPath(t string) {
	if i := strings.IndexByte(t, '?'); i >= 0 {
		h.Path, h.Query = t[:i], t[i+1:]
		return
	}
	h.Path = t
}

// setAbsolute: RFC 9112 section 3.2.2. Every scheme that names an authority
// passes; which of them it serves is the application's matter.
func (h *Head) setAbsolute(t string) *Error {
	i := strings.IndexByte(t, ':')
	if i <= 0 || !isLetter(t[0]) || !all(t[:i], classScheme) || !strings.HasPrefix(t[i:], "://") {
		return errForm
	}
	scheme, rest := t[:i], t[i+3:]
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	// RFC 9110 section 4.2.1: an empty host is invalid. Section 4.2.4: so is
	// userinfo, which validAuthority does not know.
	if end == 0 || rest[0] == ':' || !validAuthority(rest[:end], false) {
		return errAuthority
	}
	h.Form, h.Scheme, h.Authority = AbsoluteForm, scheme, rest[:end]
	h.setPath(rest[end:])
	if h.Path == "" {
		h.Path = "/"
		// RFC 9112 section 3.2.4: without path and query, OPTIONS means the
		// whole server.
		if h.Method == "OPTIONS" && end == len(rest) {
			h.Path = "*"
		}
	}
	return nil
}

// validAuthority checks a host with an optional port, or with a port that
// must be there (RFC 9110 section 7.2, RFC 3986 section 3.2.2). The empty one
// is valid unless it needs a port.
func validAuthority(s string, needPort bool) bool {
	end := 0
	if len(s) > 0 && s[0] == '[' {
		end = strings.IndexByte(s, ']') + 1
		if end == 0 || !validLiteral(s[1:end-1]) {
			return false
		}
	} else {
		for end < len(s) {
			if is(s[end], classRegName) {
				end++
				continue
			}
			if s[end] != '%' {
				break
			}
			if end+2 >= len(s) || !is(s[end+1], classHex) || !is(s[end+2], classHex) {
				return false
			}
			end += 3
		}
	}
	if end == len(s) {
		return !needPort
	}
	if needPort && end == 0 {
		return false
	}
	return s[end] == ':' && validPort(s[end+1:], needPort)
}

// validPort: RFC 3986 section 3.2.3 allows an empty port. A number above 65535
// is nobody's port.
func validPort(s string, need bool) bool {
	if s == "" {
		return !need
	}
	port := 0
	for i := range len(s) {
		if !is(s[i], classDigit) {
			return false
		}
		if port = port*10 + int(s[i]-'0'); port > 65535 {
			return false
		}
	}
	return port > 0 || !need
}

// validLiteral checks what stands in brackets: an IPv6 address, as to its
// characters and its number of colons, or the form kept for later versions.
// Zone identifiers mean nothing to another host.
func validLiteral(s string) bool {
	if len(s) > 0 && s[0]|0x20 == 'v' {
		i := strings.IndexByte(s, '.')
		return i > 1 && i+1 < len(s) && all(s[1:i], classHex) && allRegNameColon(s[i+1:])
	}
	colons := 0
	for i := range len(s) {
		switch {
		case s[i] == ':':
			colons++
		case s[i] != '.' && !is(s[i], classHex):
			return false
		}
	}
	return colons >= 2 && colons <= 8
}

func allRegNameColon(s string) bool {
	for i := range len(s) {
		if s[i] != ':' && !is(s[i], classRegName) {
			return false
		}
	}
	return true
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
