package pattern

// relation is the relation of the sets of requests that two patterns match.
type relation uint8

const (
	same relation = iota
	narrower
	wider
	disjoint
	crossing // some requests match both, some only the first, some only the second
)

// and returns the relation of patterns with two independent parts.
func (a relation) and(b relation) relation {
	switch {
	case a == disjoint || b == disjoint:
		return disjoint
	case a == b || b == same:
		return a
	case a == same:
		return b
	}
	return crossing
}

// Conflicts reports whether a request can match both patterns without precedence of one.
// A pattern with a host precedes one without; otherwise the one that matches fewer requests
// does.
func (p *Pattern) Conflicts(q *Pattern) bool {
	if p.Host != q.Host {
		return false
	}
	r := relateMethods(p.Method, q.Method).and(relatePaths(p.segments, q.segments))
	return r == same || r == crossing
}

func relateMethods(a, b string) relation {
	switch {
	case a == b:
		return same
	case a == "" || a == "GET" && b == "HEAD": // GET serves HEAD
		return wider
	case b == "" || b == "GET" && a == "HEAD":
		return narrower
	}
	return disjoint
}

func relatePaths(a, b []segment) relation {
	r := same
	for i := 0; ; i++ {
		switch {
		case i == len(a) && i == len(b):
			return r
		case i == len(a) || i == len(b):
			return disjoint
		case a[i].kind == restSegment && b[i].kind == restSegment:
			return r
		case a[i].kind == restSegment:
			return r.and(wider)
		case b[i].kind == restSegment:
			return r.and(narrower)
		}
		r = r.and(relateSegments(a[i], b[i]))
	}
}

func relateSegments(a, b segment) relation {
	switch {
	case a == b:
		return same
	case a.kind == oneSegment && b.kind == literalSegment:
		return wider
	case a.kind == literalSegment && b.kind == oneSegment:
		return narrower
	}
	return disjoint
}
