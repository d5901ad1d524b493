package h2

// NeverIndexed tells which fields of a section were literals that must never be indexed (RFC 7541 section
// 6.2.3). Whoever forwards them must send them so too. Of the fields from the 62nd on, all are marked if one is.
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
