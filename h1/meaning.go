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

// read appends the field lines that the scanner has found, of which block is a copy, to
// fields, and adds up their meaning.
func (m *meaning) read(w *words, block string, fields []Field) []Field {
	for _, l := range w.lines {
		f := l.field(block)
		fields = append(fields, f)
		m.add(f)
	}
	return fields
}

// add adds a field to the meaning of its head.
func (m *meaning) add(f Field) {
	switch len(f.Name) {
	case len("host"):
		if octets.EqualFold(f.Name, "host") {
			m.hosts++
			m.host = f.Value
		}
	case len("expect"):
		if octets.EqualFold(f.Name, "expect") {
			// RFC 9110 section 10.1.1: a list, which may be empty.
			m.expects = m.expects || f.Value != ""
			m.expectFail = m.expectFail || f.Value != "" && !octets.EqualFold(f.Value, "100-continue")
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

// connection adds the options of a Connection field (RFC 9110 section 7.6.1).
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

// contentLength adds a Content-Length field. RFC 9112 section 6.3 lets a recipient take a
// list of equal numbers for one; it is refused, since its sender is confused about the length.
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

// transferEncoding adds the codings of a Transfer-Encoding field (RFC 9112 section 6.1).
// Several lines are one list.
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

// validCoding reports whether s is a token, with or without parameters. Chunked has none.
func validCoding(s string) bool {
	end := 0
	for end < len(s) && octets.Is(s[end], octets.Token) {
		end++
	}
	name, rest := s[:end], octets.Trim(s[end:])
	return name != "" && !octets.EqualFold(name, "chunked") && (rest == "" || rest[0] == ';')
}

// coding returns what is wrong with the transfer codings, of which there are some. RFC
// 9112 section 6.3: without chunked at the end the length is unknown, which is 400 even if
// the coding is not known either.
func (m *meaning) coding() *Error {
	switch {
	case m.codingErr != nil:
		return m.codingErr
	case m.chunked > 1:
		return errCodingTwice
	case !m.last:
		return errCodingLast
	case m.other:
		return errCodingOther
	}
	return nil
}
