package router

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/gatewheel/gatewheel/app/internal/uri"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// pattern is a parsed route pattern: [METHOD ][HOST]/[PATH].
type pattern struct {
	text     string
	method   string // "": any
	host     string // in normal form; "": any
	path     string // as written, without {$}
	segments []segment
	names    []string // of the wildcards with a value, in order
}

type segment struct {
	kind    segmentKind
	literal string // decoded
}

type segmentKind uint8

const (
	literalSegment segmentKind = iota
	oneSegment                 // {name}
	endSegment                 // {$}: the empty last segment only
	restSegment                // {name...}, or a trailing slash
)

// parsePattern parses a pattern in the syntax of net/http.ServeMux.
func parsePattern(text string) (*pattern, error) {
	p := &pattern{text: text}
	rest := text
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		p.method, rest = text[:i], strings.TrimLeft(text[i:], " \t")
		if !octets.IsToken(p.method) {
			return nil, fmt.Errorf("invalid method %q", p.method)
		}
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return nil, errors.New("the path, which starts with a slash, is missing")
	}
	if err := p.setHost(rest[:slash]); err != nil {
		return nil, err
	}
	rest = rest[slash:]
	if p.method != "CONNECT" && rest != cleanPath(rest) {
		return nil, errors.New("it never matches: paths with . or .. or // are redirected to the clean one")
	}
	p.path = strings.TrimSuffix(rest, "{$}")
	for last := false; !last; {
		var text string
		text, rest, last = nextSegment(rest)
		if err := p.add(text, last); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// setHost sets the host to its normal form, in which it is compared.
func (p *pattern) setHost(host string) error {
	if strings.Contains(host, "{") {
		return errors.New("wildcards are not allowed in the host")
	}
	name, port, ok := octets.SplitAuthority(host)
	if port != "" || ok && strings.HasSuffix(host, ":") {
		return errors.New("a port is not allowed: a host matches on all ports")
	}
	if p.host = octets.Host(name); p.host == "" && host != "" {
		return fmt.Errorf("%q is not a host; international names are written in their xn-- form", host)
	}
	return nil
}

// nextSegment splits "/segment" from the start of a path.
func nextSegment(path string) (text, rest string, last bool) {
	text = path[1:]
	if i := strings.IndexByte(text, '/'); i >= 0 {
		return text[:i], text[i:], false
	}
	return text, "", true
}

func (p *pattern) add(text string, last bool) error {
	switch {
	case text == "" && last:
		p.segments = append(p.segments, segment{kind: restSegment})
		p.names = append(p.names, "")
		return nil
	case !strings.Contains(text, "{"):
		p.segments = append(p.segments, segment{literal: uri.Unescape(text)})
		return nil
	case text[0] != '{' || text[len(text)-1] != '}':
		return fmt.Errorf("a wildcard must be a whole segment, which %q is not", text)
	}
	name := text[1 : len(text)-1]
	kind := oneSegment
	if name == "$" {
		if !last {
			return errors.New("{$} must be at the end")
		}
		p.segments = append(p.segments, segment{kind: endSegment})
		return nil
	}
	if multi, ok := strings.CutSuffix(name, "..."); ok {
		if !last {
			return fmt.Errorf("{%s} must be at the end", name)
		}
		name, kind = multi, restSegment
	}
	if !isIdentifier(name) {
		return fmt.Errorf("the wildcard name %q is not an identifier", name)
	}
	for _, other := range p.names {
		if other == name {
			return fmt.Errorf("the wildcard name %q is used twice", name)
		}
	}
	p.segments = append(p.segments, segment{kind: kind})
	p.names = append(p.names, name)
	return nil
}

func isIdentifier(name string) bool {
	for i, c := range name {
		if !unicode.IsLetter(c) && c != '_' && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return name != ""
}

// cleanPath removes dot segments (RFC 3986 section 5.2.4) and doubled slashes, and keeps a
// final slash.
func cleanPath(p string) string {
	if isClean(p) {
		return p
	}
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

func isClean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	for i := 0; i < len(p); i++ {
		if p[i] != '/' {
			continue
		}
		rest := p[i+1:]
		switch {
		case rest == "":
			return true
		case rest[0] == '/':
			return false
		case rest[0] != '.':
		case rest == "." || rest == ".." || strings.HasPrefix(rest, "./") || strings.HasPrefix(rest, "../"):
			return false
		}
	}
	return true
}

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

// conflicts reports whether a request can match both patterns without precedence of one.
// A pattern with a host precedes one without; otherwise the one that matches fewer requests
// does.
func (p *pattern) conflicts(q *pattern) bool {
	if p.host != q.host {
		return false
	}
	r := relateMethods(p.method, q.method).and(relatePaths(p.segments, q.segments))
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
