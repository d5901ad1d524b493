package h1

import "github.com/gatewheel/gatewheel/internal/octets"

// meaning is the result of reading the fields of a head: connection options and
// the framing of the content. The error of an invalid field is kept here, so that
// the response does not depend on the order of fields.
type meaning struct {
	host  string
	hosts int // Host lines

	length    int64
	lengths   int // Content-Length lines
	lengthErr *Error

	codings   int  // Transfer-Encoding lines
	chunked   int  // how often chunked was named
	last      bool // chunked was the last coding
	other     bool // another coding was named
	codingErr *Error

	close, keep, upgrade bool   // options of Connection
	protocols            string // of Upgrade
	expects, expectFail  bool
}

// parse reads the head that the scanner has found, of which block is a copy:
// every string of h is a part of that.
func (h *Head) parse(sh *Shared, block string) *Error {
	w := &sh.words
	*h = Head{
		Method: block[:w.method],
		Target: block[w.method+1 : w.target],
		Fields: h.Fields[:0],
	}
	// RFC 9110 section 2.5: a higher minor version is served as the highest
	// that is known.
	if w.minor != '0' {
		h.Minor = 1
	}
	var m meaning
	for _, l := range w.lines {
		f := Field{block[l.name:l.colon], octets.Trim(block[l.colon+1 : l.end])}
		h.Fields = append(h.Fields, f)
		m.add(f)
	}
	if err := h.setTarget(); err != nil {
		return err
	}
	if err := h.setAuthority(&m); err != nil {
		return err
	}
	if err := h.setFraming(sh, &m); err != nil {
		return err
	}
	return h.setConnection(&m)
}

func (m *meaning) add(f Field) {
	switch len(f.Name) {
	case len("host"):
		if octets.EqualFold(f.Name, "host") {
			m.hosts++
			m.host = f.Value
		}
	case len("expect"):
		if octets.EqualFold(f.Name, "expect") {
			m.expects = true
			m.expectFail = m.expectFail || !octets.EqualFold(f.Value, "100-continue")
		}
	case len("upgrade"):
		if octets.EqualFold(f.Name, "upgrade") {
			if m.protocols != "" {
				f.Value = m.protocols + ", " + f.Value
			}
			m.protocols = f.Value
		}
	case len("connection"):
		if octets.EqualFold(f.Name, "connection") {
			m.connection(f.Value)
		}
	case len("content-length"):
		if octets.EqualFold(f.Name, "content-length") {
			m.contentLength(f.Value)
		}
	case len("transfer-encoding"):
		if octets.EqualFold(f.Name, "transfer-encoding") {
			m.transferEncoding(f.Value)
		}
	}
}

// connection: RFC 9110 section 7.6.1.
func (m *meaning) connection(list string) {
	for list != "" {
		var option string
		option, list = octets.CutElement(list)
		switch {
		case octets.EqualFold(option, "close"):
			m.close = true
		case octets.EqualFold(option, "keep-alive"):
			m.keep = true
		case octets.EqualFold(option, "upgrade"):
			m.upgrade = true
		}
	}
}

// contentLength: RFC 9112 section 6.3 lets a recipient take a list of equal
// numbers for one. It is refused, since its sender is confused about the length.
func (m *meaning) contentLength(value string) {
	m.lengths++
	n, err := decimal(value)
	if err != nil {
		m.lengthErr = err
	}
	m.length = n
}

// decimal reads a Content-Length, which may not fit (RFC 9110 section 8.6).
func decimal(s string) (int64, *Error) {
	switch n := octets.Decimal(s); n {
	case octets.NotDecimal:
		return 0, errLengthForm
	case octets.TooLarge:
		return 0, errLengthHuge
	default:
		return n, nil
	}
}

// transferEncoding: RFC 9112 section 6.1. Several lines are one list.
func (m *meaning) transferEncoding(list string) {
	m.codings++
	for more := true; more; {
		end := 0
		for end < len(list) && list[end] != ',' {
			end++
		}
		more = end < len(list)
		coding := octets.Trim(list[:end])
		list = list[min(end+1, len(list)):]
		m.last = octets.EqualFold(coding, "chunked")
		switch {
		case m.last:
			m.chunked++
		case !validCoding(coding):
			m.codingErr = errCoding
		default:
			m.other = true
		}
	}
}

// validCoding: a token, with or without parameters. Chunked has none.
func validCoding(s string) bool {
	end := 0
	for end < len(s) && octets.Is(s[end], octets.Token) {
		end++
	}
	name, rest := s[:end], octets.Trim(s[end:])
	return name != "" && !octets.EqualFold(name, "chunked") && (rest == "" || rest[0] == ';')
}

func (h *Head) setAuthority(m *meaning) *Error {
	// RFC 9112 section 3.2: exactly one valid Host in HTTP/1.1; a second or an
	// invalid one is wrong in any version.
	switch {
	case m.hosts > 1:
		return errHostTwice
	case m.hosts == 0 && h.Minor > 0:
		return errHostMissing
	case !octets.ValidAuthority(m.host):
		return errHost
	}
	// RFC 9112 section 3.2.2: the target's authority replaces Host.
	if h.Form != AbsoluteForm && h.Form != AuthorityForm {
		h.Authority = m.host
	}
	return nil
}

// setFraming: RFC 9112 section 6.3.
func (h *Head) setFraming(sh *Shared, m *meaning) *Error {
	switch {
	case m.codings > 0 && h.Minor == 0:
		// Section 6.1: a recipient on the way did not understand it.
		return errCodingOld
	case m.codings > 0 && m.lengths > 0:
		return errLengthBoth
	case m.codings > 0:
		switch {
		case m.codingErr != nil:
			return m.codingErr
		case m.chunked > 1:
			return errCodingTwice
		case !m.last:
			// Section 6.3: without chunked at the end the length is unknown,
			// which is 400 even if the coding is not known either.
			return errCodingLast
		case m.other:
			return errCodingOther
		}
		h.ContentLength = -1
	case m.lengths > 1:
		return errLengthTwice
	case m.lengthErr != nil:
		return m.lengthErr
	case sh.limits.Content > 0 && m.length > sh.limits.Content:
		return errLengthHuge
	default:
		h.ContentLength = m.length
	}
	if h.Form == AuthorityForm && h.ContentLength != 0 {
		// RFC 9110 section 9.3.6: bytes after a CONNECT request belong to the tunnel.
		return errConnect
	}
	return nil
}

func (h *Head) setConnection(m *meaning) *Error {
	if h.Minor == 0 {
		// RFC 9112 section 9.3: in HTTP/1.0 one has to ask for persistence.
		// RFC 9110 sections 7.8 and 10.1.1: Upgrade and Expect mean nothing there.
		h.KeepAlive = m.keep && !m.close
		return nil
	}
	if m.expectFail {
		return errExpect
	}
	h.ExpectContinue = m.expects && h.ContentLength != 0
	h.KeepAlive = !m.close
	if m.upgrade {
		h.Upgrade = m.protocols
	}
	return nil
}
