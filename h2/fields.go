package h2

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// section collects a field section as it is decoded, and checks it by RFC 9113 section 8.
type section struct {
	head     Head
	host     string
	cookies  []string // values of cookie fields after the first
	cookie   int      // index of the first cookie field in head.Fields, plus one
	never    NeverIndexed
	status   int
	trailers bool // RFC 9113 section 8.1: no pseudo-fields
	response bool // RFC 9113 section 8.3.2: :status alone
	noHost   bool // the request need not name a host
	regular  bool // there was a regular field
	hosted   bool // there was a host field, perhaps empty
	signal   bool // there was a valid priority field
	tooLarge bool
	pseudo   uint8  // the pseudo-fields so far, as bits
	bad      string // why the section is malformed
	signals  int    // bytes of priority fields
	size     uint32
	limit    uint32
}

// Bits of section.pseudo.
const (
	pseudoMethod = 1 << iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudoStatus
)

// begin resets s for a field section of at most limit bytes. It keeps the memory of slices.
func (s *section) begin(limit uint32) {
	fields, cookies := s.head.Fields[:0], s.cookies[:0]
	*s = section{limit: limit}
	s.head.Fields, s.cookies = fields, cookies
	s.head.ContentLength = -1
	s.head.Urgency = defaultUrgency
}

// field adds a field line of that class. It reports whether more lines are wanted.
func (s *section) field(name, value string, class fieldClass) (more bool) {
	// RFC 9113 section 6.5.2: each field line counts 32 bytes more.
	s.size += uint32(len(name)+len(value)) + 32
	if s.size > s.limit || len(s.head.Fields) >= maxFields {
		s.tooLarge = true
		return false
	}
	kind, valid := class&^badValue, class&badValue == 0
	if kind >= methodField {
		s.pseudoField(value, kind, valid)
		return true
	}
	s.regular = true
	if s.response && (kind == hostField || kind == cookieField || kind == priorityField) {
		// They have a meaning in requests only.
		kind, valid = plainField, octets.IsValue(value)
	}
	if kind == hostField && s.noHost && isSocket(value) {
		value, valid = "", true
	}
	if !valid {
		s.malformed(invalidValue[kind])
		return true
	}
	if kind == plainField || s.regularField(value, kind) {
		s.head.Fields = append(s.head.Fields, Field{name, value})
	}
	return true
}

func (s *section) malformed(why string) {
	if s.bad == "" {
		s.bad = why
	}
}

// invalidValue has the reason for refusing an invalid value, by the class of its field.
var invalidValue = [...]string{
	plainField:      "invalid field value",
	connectionField: "connection-specific field",
	teField:         "te has another value than trailers",
	lengthField:     "invalid content-length",
	hostField:       "invalid host",
	cookieField:     "invalid field value",
	priorityField:   "invalid field value",
	methodField:     "invalid :method",
	schemeField:     "invalid :scheme",
	authorityField:  "invalid :authority",
	pathField:       "invalid :path",
	protocolField:   "invalid :protocol",
	statusField:     "invalid :status",
}

// pseudoField adds a pseudo-field (RFC 9113 sections 8.3 and 8.3.1).
func (s *section) pseudoField(value string, kind fieldClass, valid bool) {
	if s.trailers {
		s.malformed("pseudo-field in trailers")
		return
	}
	if s.regular {
		s.malformed("pseudo-field behind a regular field")
		return
	}
	if s.response != (kind == statusField) {
		s.malformed("unknown pseudo-field")
		return
	}
	var bit uint8
	switch kind {
	case statusField:
		bit, s.status = pseudoStatus, int(octets.Decimal(value))
	case methodField:
		bit, s.head.Method = pseudoMethod, value
	case schemeField:
		bit, s.head.Scheme = pseudoScheme, value
	case authorityField:
		bit, s.head.Authority = pseudoAuthority, value
		if s.noHost && (!valid || isSocket(value)) {
			// gRPC clients give the path of the socket.
			s.head.Authority, valid = "", isSocket(value)
		}
	case pathField:
		bit, s.head.Path = pseudoPath, value
	case protocolField:
		bit, s.head.Protocol = pseudoProtocol, value
	default:
		s.malformed("unknown pseudo-field")
		return
	}
	switch {
	case !valid:
		s.malformed(invalidValue[kind])
	case s.pseudo&bit != 0:
		s.malformed("repeated pseudo-field")
	}
	s.pseudo |= bit
}

// isSocket reports whether an authority names a unix socket: a path, perhaps percent-encoded, a name in
// the abstract namespace, or a gRPC target such as unix:/run/socket.
func isSocket(authority string) bool {
	return strings.ContainsRune(authority, '/') || strings.HasPrefix(authority, "@") ||
		len(authority) >= 3 && octets.EqualFold(authority[:3], "%2f") ||
		strings.HasPrefix(authority, "unix:") || strings.HasPrefix(authority, "unix-abstract:")
}

// regularField handles a field that has a meaning here. It reports whether the field is to be listed.
func (s *section) regularField(value string, kind fieldClass) bool {
	switch kind {
	case badName:
		s.malformed("invalid field name")
	case connectionField:
		// RFC 9113 section 8.2.2: HTTP/2 has no connection-specific fields.
		s.malformed("connection-specific field")
	case lengthField:
		n := octets.Decimal(value)
		if s.head.ContentLength >= 0 && s.head.ContentLength != n {
			s.malformed("different content-lengths")
		}
		s.head.ContentLength = n
	case hostField:
		if s.hosted {
			s.malformed("repeated host")
		}
		s.host, s.hosted = value, true
	case cookieField:
		// RFC 9113 section 8.2.3: cookie fields are joined into one.
		if s.cookie > 0 {
			s.cookies = append(s.cookies, value)
			return false
		}
		s.cookie = len(s.head.Fields) + 1
	case priorityField:
		if s.signals += len(value); s.signals > maxSignal {
			break
		}
		if p, ok := parsePriority(value); ok {
			s.signal = true
			s.head.Urgency, s.head.Incremental = p.urgency, p.incremental
		}
	}
	return true
}

// joinCookies joins all cookie fields into the first.
func (s *section) joinCookies() {
	if len(s.cookies) > 0 {
		f := &s.head.Fields[s.cookie-1]
		f.Value += "; " + strings.Join(s.cookies, "; ")
		clear(s.cookies)
	}
}

// request checks a complete header section. It returns why the request is malformed, or "".
func (s *section) request(end, connectProtocol bool) string {
	h := &s.head
	if s.bad != "" {
		return s.bad
	}
	if why := s.target(connectProtocol); why != "" {
		return why
	}
	if s.pseudo&pseudoAuthority == 0 || s.noHost && h.Authority == "" {
		h.Authority = s.host
	} else if s.hosted && !octets.SameAuthority(h.Scheme, s.host, h.Authority) {
		// RFC 9113 section 8.3.1: host must not differ from :authority.
		return "host differs from :authority"
	}
	if h.Authority == "" && !s.noHost && (isWeb(h.Scheme) || h.Method == "CONNECT") {
		// RFC 9110 section 4.2.1: a URI of these schemes has a host.
		return "no authority"
	}
	if h.Method == "CONNECT" {
		h.ContentLength = -1
	}
	return s.length(end)
}

// length checks the content-length of a request that ends with its header section.
func (s *section) length(end bool) string {
	if !end {
		return ""
	}
	// RFC 9113 section 8.1.1: content-length is the length of the content.
	if s.head.ContentLength > 0 {
		return "content-length without content"
	}
	s.head.ContentLength = 0
	return ""
}

// target checks that the pseudo-fields fit together (RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section
// 4).
func (s *section) target(connectProtocol bool) string {
	const all = pseudoMethod | pseudoScheme | pseudoPath
	h := &s.head
	switch {
	case s.pseudo&pseudoProtocol != 0:
		if !connectProtocol || h.Method != "CONNECT" || s.pseudo&all != all || s.pseudo&pseudoAuthority == 0 && !s.noHost {
			return ":protocol is not allowed here"
		}
	case h.Method == "CONNECT":
		if s.pseudo != pseudoMethod|pseudoAuthority {
			return "CONNECT takes :authority alone"
		}
		return ""
	case s.pseudo&all != all:
		return "a request needs :method, :scheme and :path"
	}
	// RFC 9113 section 8.3.1: a path starts with "/", except in OPTIONS * for the whole server.
	if isWeb(h.Scheme) && h.Path[0] != '/' && !(h.Path == "*" && h.Method == "OPTIONS") {
		return "invalid :path"
	}
	return ""
}

func isWeb(scheme string) bool {
	return scheme == "http" || scheme == "https" || octets.EqualFold(scheme, "http") || octets.EqualFold(scheme, "https")
}
