package h1

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// The request target.
//
// Visible ASCII is accepted, which is more than RFC 3986 allows: browsers
// leave characters such as | { } ^ and the double quote unescaped in queries
// (so the WHATWG's URL standard), and no two readers split them
// differently. Refused are: controls and space, which end the target for some;
// #, since some cut the target there and others do not; and bytes above ASCII,
// which have no meaning in a URI and which each recipient normalises in a way
// of its own. Percent signs are not checked.

// setTarget finds the form of h.Target and its parts. RFC 9112 section 3.2:
// the form depends on the method.
func (h *Head) setTarget() *Error {
	t := h.Target
	switch {
	case h.Method == "CONNECT":
		// RFC 9112 section 3.2.3, RFC 9110 section 9.3.6: host and port, no more.
		if !validHostPort(t) {
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

// setPath splits path and query.
func (h *Head) setPath(t string) {
	if i := strings.IndexByte(t, '?'); i >= 0 {
		h.Path, h.Query = t[:i], t[i+1:]
		return
	}
	h.Path = t
}

// setAbsolute reads a target in absolute-form (RFC 9112 section 3.2.2). Every scheme that
// names an authority passes; which of them are served is left to the application.
func (h *Head) setAbsolute(t string) *Error {
	i := strings.IndexByte(t, ':')
	if i <= 0 || !octets.IsLetter(t[0]) || !octets.All(t[:i], octets.Scheme) || !strings.HasPrefix(t[i:], "://") {
		return errForm
	}
	scheme, rest := t[:i], t[i+3:]
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	// RFC 9110 section 4.2.1: an empty host is invalid. Section 4.2.4: so is
	// userinfo.
	if end == 0 || !octets.ValidAuthority(rest[:end]) {
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

// validHostPort checks the target of CONNECT: a host and a port, none of them
// missing (RFC 9112 section 3.2.3).
func validHostPort(s string) bool {
	_, port, ok := octets.SplitAuthority(s)
	return ok && octets.Decimal(port) > 0
}
