package pattern

import (
	"strings"

	"github.com/gatewheel/gatewheel/app/internal/uri"
)

// branch is a node of a tree of patterns.
type branch[T any] struct {
	literals []edge[T]             // searched in order if there are at most fewEdges
	many     map[string]*branch[T] // all literals, if there are more
	one      *branch[T]
	leaf     *Entry[T] // the path ends here
	end      *Entry[T] // {$}
	rest     *Entry[T]
}

type edge[T any] struct {
	segment string
	to      *branch[T]
}

const fewEdges = 8

// literal returns the branch of a literal segment, or nil.
func (b *branch[T]) literal(segment string) *branch[T] {
	if b.many != nil {
		return b.many[segment]
	}
	for i := range b.literals {
		if b.literals[i].segment == segment {
			return b.literals[i].to
		}
	}
	return nil
}

// encoded returns the branch of a segment that may be percent-encoded, or nil. It does
// not allocate for segments of usual length.
func (b *branch[T]) encoded(text string) *branch[T] {
	if strings.IndexByte(text, '%') < 0 {
		return b.literal(text)
	}
	var room [256]byte
	decoded, ok := uri.AppendUnescaped(room[:0], text)
	if !ok {
		return b.literal(text)
	}
	if b.many != nil {
		return b.many[string(decoded)]
	}
	for i := range b.literals {
		if b.literals[i].segment == string(decoded) {
			return b.literals[i].to
		}
	}
	return nil
}

// grow is like literal, and adds the branch if there is none.
func (b *branch[T]) grow(segment string) *branch[T] {
	if next := b.literal(segment); next != nil {
		return next
	}
	next := &branch[T]{}
	b.literals = append(b.literals, edge[T]{segment, next})
	switch {
	case b.many != nil:
		b.many[segment] = next
	case len(b.literals) > fewEdges:
		b.many = make(map[string]*branch[T], len(b.literals))
		for _, e := range b.literals {
			b.many[e.segment] = e.to
		}
	}
	return next
}

func (b *branch[T]) add(e *Entry[T]) {
	for _, s := range e.segments {
		switch s.kind {
		case restSegment:
			b.rest = e
			return
		case endSegment:
			b.end = e
			return
		case oneSegment:
			if b.one == nil {
				b.one = &branch[T]{}
			}
			b = b.one
		case literalSegment:
			b = b.grow(s.literal)
		}
	}
	b.leaf = e
}

// find matches path, which starts with a slash or is empty, and returns captures with what
// the wildcards have matched. Literals precede wildcards, and one segment precedes many.
//
// captures are a parameter and a result, not a field of s: so the caller's array stays on
// the stack.
func (b *branch[T]) find(path string, s *search[T], captures []string) (*Entry[T], []string) {
	if b == nil {
		return nil, captures
	}
	if path == "" {
		return b.findEnd(s, captures)
	}
	if path == "/" && s.accepts(b.end) {
		return b.end, captures
	}
	text, rest, last := nextSegment(path)
	if text != "" || !last {
		if found, captures := b.encoded(text).find(rest, s, captures); found != nil {
			return found, captures
		}
	}
	if text != "" && b.one != nil {
		if found, captures := b.one.find(rest, s, append(captures, text)); found != nil {
			return found, captures
		}
	}
	if s.accepts(b.rest) {
		return b.rest, append(captures, path[1:])
	}
	return nil, captures
}

// findEnd returns the pattern of a path that ends at b.
func (b *branch[T]) findEnd(s *search[T], captures []string) (*Entry[T], []string) {
	switch {
	case s.accepts(b.leaf):
		return b.leaf, captures
	case s.subtrees && s.accepts(b.rest):
		s.unslashed = true
		return b.rest, append(captures, "")
	}
	return nil, captures
}

// leafOf returns the pattern with just these segments, or nil.
func (b *branch[T]) leafOf(segments []segment) *Entry[T] {
	for _, s := range segments {
		if b == nil {
			return nil
		}
		if s.kind == oneSegment {
			b = b.one
		} else {
			b = b.literal(s.literal)
		}
	}
	if b == nil {
		return nil
	}
	return b.leaf
}

// endsInSlash reports whether path with a final slash matches a pattern exactly.
func (b *branch[T]) endsInSlash(path string) bool {
	switch {
	case b == nil:
		return false
	case path == "":
		return b.end != nil || b.rest != nil
	}
	text, rest, _ := nextSegment(path)
	return b.encoded(text).endsInSlash(rest) || b.one.endsInSlash(rest)
}

// conflict returns a pattern that conflicts with p, whose segments after those that lead
// to b are given, or nil. It visits the patterns that match a common path alone.
func (b *branch[T]) conflict(p *Pattern, segments []segment) *Pattern {
	if b == nil {
		return nil
	}
	if len(segments) == 0 {
		return b.leaf.conflict(p)
	}
	if q := b.rest.conflict(p); q != nil {
		return q
	}
	switch s := segments[0]; s.kind {
	case restSegment:
		if q := b.end.conflict(p); q != nil {
			return q
		}
		return b.eachBelow(func(next *branch[T]) *Pattern { return next.anyConflict(p) })
	case endSegment:
		return b.end.conflict(p)
	case literalSegment:
		if q := b.literal(s.literal).conflict(p, segments[1:]); q != nil {
			return q
		}
		return b.one.conflict(p, segments[1:])
	default:
		return b.eachBelow(func(next *branch[T]) *Pattern { return next.conflict(p, segments[1:]) })
	}
}

// anyConflict returns a pattern in b or below that conflicts with p, or nil.
func (b *branch[T]) anyConflict(p *Pattern) *Pattern {
	for _, e := range []*Entry[T]{b.leaf, b.end, b.rest} {
		if q := e.conflict(p); q != nil {
			return q
		}
	}
	return b.eachBelow(func(next *branch[T]) *Pattern { return next.anyConflict(p) })
}

// eachBelow calls visit for each branch directly below b, until it returns a pattern.
func (b *branch[T]) eachBelow(visit func(*branch[T]) *Pattern) *Pattern {
	for i := range b.literals {
		if q := visit(b.literals[i].to); q != nil {
			return q
		}
	}
	if b.one != nil {
		return visit(b.one)
	}
	return nil
}
