package h2

// NeverIndexed marks the fields of a section that were literals never to be indexed (RFC 7541 section 6.2.3). An
// intermediary must forward them in the same way. From the 63rd field on, all are marked if one is.
type NeverIndexed uint64

const lastMark = 63

// Has reports whether Fields[i], or Trailers[i], is marked.
func (n NeverIndexed) Has(i int) bool { return n>>min(i+1, lastMark)&1 != 0 }

// Target reports whether a pseudo-field of a request is marked, such as :path.
func (n NeverIndexed) Target() bool { return n&1 != 0 }

// markNever marks the field of that class that was added last.
func (s *section) markNever(class fieldClass) {
	at := len(s.head.Fields)
	switch {
	case class&^badValue >= methodField:
		at = 0
	case class == cookieField && s.cookie > 0:
		at = s.cookie // the field into which cookies are joined
	}
	s.never |= 1 << min(at, lastMark)
}
