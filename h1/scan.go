package h1

import (
	"bytes"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// A scanner finds the words of a head and checks each byte once, whatever the
// pieces are in which the head arrives: it remembers where it stopped, and what
// is wrong with a head depends on its bytes alone, not on how they were split.
type scanner struct {
	pos   uint32 // first byte not examined yet
	mark  uint32 // where the word that holds pos began
	start uint32 // where the field lines begin
	count uint16 // field lines so far
	from  place  // where the scan began
	at    place
}

// place is the element of a head that a scanner is in.
type place uint8

const (
	inMethod place = iota
	inTarget
	inVersion
	inStatus // in a status line up to its last digit
	inReason // in what follows that
	inName   // at the start of a line or in a field name
	inValue
)

// words are the positions of the elements that a scanner found. They are in
// Shared, so another connection's scan overwrites them: a head that arrived in
// several calls is scanned again once it is complete.
type words struct {
	method, target uint32 // where they end
	reason         uint32 // where the status line ends
	minor          byte   // a digit
	lines          []line
}

// line is a field line: name from name to colon, value from there to end.
type line struct{ name, colon, end uint32 }

// field returns the field of a line. block is a copy of the head.
func (l line) field(block string) Field {
	return Field{block[l.name:l.colon], octets.Trim(block[l.colon+1 : l.end])}
}

// response makes a scanner for the head of a response.
func response() scanner { return scanner{from: inStatus, at: inStatus} }

// fieldLines makes a scanner for field lines alone.
func fieldLines() scanner { return scanner{from: inName, at: inName} }

// scan examines in, which holds the bytes of earlier calls too. It returns the
// length of the whole head, its empty line included, or 0 if that is incomplete. The field
// lines have at most Limits.FieldSize bytes.
func (s *scanner) scan(sh *Shared, in []byte) (int, *Error) {
	return s.scanWithin(sh, in, sh.limits.FieldSize)
}

// scanWithin is scan with another limit of bytes.
func (s *scanner) scanWithin(sh *Shared, in []byte, limit int) (int, *Error) {
	from := s.pos
	if from == 0 {
		return s.pass(sh, in, limit)
	}
	if len(in) <= int(from) {
		return 0, nil
	}
	again := scanner{from: s.from, at: s.from}
	n, err := s.pass(sh, in, limit)
	sh.work -= uint64(from)
	if n > 0 {
		n, err = again.pass(sh, in, limit)
	}
	return n, err
}

// pass scans on where the last one stopped.
func (s *scanner) pass(sh *Shared, in []byte, limit int) (n int, err *Error) {
	if s.pos == 0 {
		sh.words.lines = sh.words.lines[:0]
	}
	whole := true
	switch {
	case s.at < inStatus:
		whole, err = s.requestLine(sh, in)
	case s.at < inName:
		whole, err = s.statusLine(sh, in, limit)
	}
	if whole {
		n, err = s.fields(sh, in, limit)
	}
	sh.work += uint64(s.pos)
	return n, err
}

// requestLine scans a request line (RFC 9112 section 3) with single spaces and without any
// other whitespace.
func (s *scanner) requestLine(sh *Shared, in []byte) (whole bool, err *Error) {
	w := &sh.words
	i := int(s.pos)
	if s.at == inMethod {
		for i < len(in) && octets.Is(in[i], octets.Token) && i <= maxMethod {
			i++
		}
		s.pos = uint32(i)
		// RFC 9110 section 9.1: longer than any method that is known.
		if i > maxMethod {
			return false, errMethodLength
		}
		if i == len(in) {
			return false, nil
		}
		if i == 0 || in[i] != ' ' {
			return false, lineError(in[i], errMethod)
		}
		w.method = s.pos
		i++
		s.pos, s.mark, s.at = uint32(i), uint32(i), inTarget
	}
	if s.at == inTarget {
		bound := int(s.mark) + sh.limits.Target
		for i < len(in) && octets.Is(in[i], octets.Target) && i <= bound {
			i++
		}
		s.pos = uint32(i)
		// RFC 9112 section 3: a target longer than one wants to parse is 414.
		if i > bound {
			return false, errTargetLength
		}
		if i == len(in) {
			return false, nil
		}
		if i == int(s.mark) || in[i] != ' ' {
			return false, lineError(in[i], errTarget)
		}
		w.target = s.pos
		i++
		s.pos, s.mark, s.at = uint32(i), uint32(i), inVersion
	}
	return s.version(w, in)
}

// version scans the HTTP version and the end of the line (RFC 9112 section 2.3). The name
// is case-sensitive, and both numbers have one digit.
func (s *scanner) version(w *words, in []byte) (whole bool, err *Error) {
	const form = "HTTP/0.0\r\n"
	v := in[s.mark:]
	if len(v) >= len(form) && string(v[:7]) == "HTTP/1." && octets.Is(v[7], octets.Digit) && string(v[8:10]) == "\r\n" {
		w.minor = v[7]
		s.pos = s.mark + uint32(len(form))
		s.mark, s.start, s.at = s.pos, s.pos, inName
		return true, nil
	}
	for i := range len(form) {
		if i == len(v) {
			s.pos = s.mark + uint32(i)
			return false, nil
		}
		if v[i] == form[i] || form[i] == '0' && octets.Is(v[i], octets.Digit) {
			continue
		}
		if i == len(form)-1 {
			return false, errBareCR
		}
		if i < len("HTTP/") && !hasForm(in[w.method+1:w.target]) {
			return false, lineError(v[i], errForeign)
		}
		return false, lineError(v[i], errVersion)
	}
	return false, errMajor
}

// hasForm reports whether a target looks like one of HTTP, up to its first bytes.
func hasForm(target []byte) bool {
	return target[0] == '/' || target[0] == '*' || bytes.IndexByte(target, ':') > 0
}

// statusLine scans a status line (RFC 9112 section 4). The space before an empty reason may
// be missing, since many servers omit it.
func (s *scanner) statusLine(sh *Shared, in []byte, limit int) (whole bool, err *Error) {
	const form = "HTTP/1.0 000"
	i := int(s.pos)
	if s.at == inStatus {
		for i < len(in) && i < len(form) && (in[i] == form[i] || form[i] == '0' && octets.Is(in[i], octets.Digit)) {
			i++
		}
		s.pos = uint32(i)
		if i == len(in) {
			return false, nil
		}
		if i < len(form) || in[i] != ' ' && in[i] != '\r' {
			return false, lineError(in[i], errStatusLine)
		}
		s.at = inReason
	}
	var incomplete *Error
	if len(in) > limit {
		in = in[:limit]
		incomplete = errFieldSize
	}
	i = octets.TextEnd(in, i)
	if i == len(in) || in[i] == '\r' && i+1 == len(in) {
		return false, s.rest(i, 0, inReason, incomplete)
	}
	if in[i] != '\r' {
		return false, lineError(in[i], errStatusLine)
	}
	if in[i+1] != '\n' {
		return false, errBareCR
	}
	w := &sh.words
	w.minor, w.reason = in[len("HTTP/1.")], uint32(i)
	s.pos = uint32(i) + 2
	s.mark, s.start, s.at = s.pos, s.pos, inName
	return true, nil
}

// fields scans the field lines (RFC 9112 section 5) and the empty line after them.
func (s *scanner) fields(sh *Shared, in []byte, limit int) (int, *Error) {
	bound := s.bound(limit)
	var incomplete *Error
	if len(in) > bound {
		in = in[:bound]
		incomplete = errFieldSize
	}
	w := &sh.words
	i, mark, at := int(s.pos), int(s.mark), s.at
	// A value that began in an earlier call has lost its name. It gets the
	// right one when the whole head is scanned again.
	colon := mark
	for {
		if at == inName {
			end, err := s.nameEnd(sh, in, i, mark)
			if err != nil {
				return 0, err
			}
			if end == len(in) || in[end] == '\r' && end+1 == len(in) {
				return 0, s.rest(end, mark, at, incomplete)
			}
			if in[end] == '\r' {
				s.pos = uint32(end) + 2
				return end + 2, nil
			}
			colon, i, at = end, end+1, inValue
		}
		i = octets.TextEnd(in, i)
		if i == len(in) || in[i] == '\r' && i+1 == len(in) {
			return 0, s.rest(i, mark, at, incomplete)
		}
		if in[i] != '\r' {
			return 0, lineError(in[i], errControl)
		}
		if in[i+1] != '\n' {
			return 0, errBareCR
		}
		w.lines = append(w.lines, line{uint32(mark), uint32(colon), uint32(i)})
		s.count++
		i += 2
		mark, at = i, inName
	}
}

// bound returns the position that field lines must not exceed. The status line of a
// response counts with them.
func (s *scanner) bound(limit int) int {
	if s.from == inStatus {
		return limit
	}
	return int(s.start) + limit
}

// rest saves the position at which a scan needs more bytes. err is not nil if no more
// are allowed.
func (s *scanner) rest(i, mark int, at place, err *Error) *Error {
	s.pos, s.mark, s.at = uint32(i), uint32(mark), at
	return err
}

// nameEnd goes on at i in the line that begins at mark. It returns the position
// of the colon after the name, of the CR of an empty line, or len(in).
func (s *scanner) nameEnd(sh *Shared, in []byte, i, mark int) (int, *Error) {
	if i == mark && i < len(in) {
		switch in[i] {
		case '\r':
			if i+1 < len(in) && in[i+1] != '\n' {
				return 0, errBareCR
			}
			return i, nil
		case ' ', '\t':
			// RFC 9112 section 5.2: a folded line. Section 2.2: whitespace
			// after the request line hides a field from one of two readers.
			return 0, errFolded
		}
		if int(s.count) == sh.limits.Fields {
			return 0, errFieldCount
		}
	}
	for i < len(in) && octets.Is(in[i], octets.Token) {
		i++
	}
	if i < len(in) && (i == mark || in[i] != ':') {
		return 0, nameError(in[i])
	}
	return i, nil
}

// lineError gives a line that ends without CR its own name.
func lineError(b byte, other *Error) *Error {
	if b == '\n' {
		return errBareLF
	}
	return other
}

// nameError returns why a field name cannot be followed by b.
func nameError(b byte) *Error {
	if b == ' ' || b == '\t' {
		// RFC 9112 section 5.1: no whitespace between name and colon.
		return errNameSpace
	}
	return lineError(b, errName)
}
