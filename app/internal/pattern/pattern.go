// Package pattern parses and finds route patterns: those of net/http.ServeMux, and hosts
// that begin with *. where a router asks for them.
package pattern

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/gatewheel/gatewheel/app/internal/uri"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Pattern is a parsed route pattern: [METHOD ][HOST]/[PATH]. It does not change.
type Pattern struct {
	// Text is the pattern as written.
	Text string
	// Method is the method; "" is any.
	Method string
	// Host is the host in normal form; "" is any. That of a wildcard begins with a dot.
	Host string
	// Path is the path as written, without a final {$}.
	Path string
	// Names are the names of the wildcards that have a value, in order. The wildcard of a
	// final slash has an empty name.
	Names []string

	segments []segment
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

// Syntax selects what Parse accepts.
type Syntax uint8

const (
	// ServeMux is the syntax of net/http.ServeMux. Patterns that match only unclean paths
	// are refused.
	ServeMux Syntax = iota
	// Gateway accepts empty segments, and hosts that begin with *. for any number of
	// labels.
	Gateway
)

// maxHost limits the length of a host (RFC 1035 section 2.3.4).
const maxHost = 253

// Parse parses a pattern.
func Parse(text string, syntax Syntax) (*Pattern, error) {
	p := &Pattern{Text: text}
	rest := text
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		p.Method, rest = text[:i], strings.TrimLeft(text[i:], " \t")
		if !octets.IsToken(p.Method) {
			return nil, fmt.Errorf("invalid method %q", p.Method)
		}
	}
	if _, after, ok := strings.Cut(rest, "://"); ok && syntax == Gateway {
		return nil, fmt.Errorf("it has no scheme: write %s", after)
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return nil, errors.New("the path, which starts with a slash, is missing")
	}
	if err := p.setHost(rest[:slash], syntax); err != nil {
		return nil, err
	}
	rest = rest[slash:]
	if err := checkPath(p.Method, rest, syntax); err != nil {
		return nil, err
	}
	p.Path = strings.TrimSuffix(rest, "{$}")
	for last := false; !last; {
		var text string
		text, rest, last = nextSegment(rest)
		if err := p.add(text, last); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func checkPath(method, path string, syntax Syntax) error {
	switch {
	case syntax == Gateway && strings.ContainsAny(path, "?# \t\\"):
		return errors.New("the path of a pattern has no query, no blank and no backslash")
	case syntax == Gateway && hasDotSegment(path):
		return errors.New("it never matches: paths with the segments . or .. are refused")
	case syntax == ServeMux && method != "CONNECT" && path != Clean(path):
		return errors.New("it never matches: paths with . or .. or // are redirected to the clean one")
	}
	return nil
}

func hasDotSegment(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s = uri.Unescape(s); s == "." || s == ".." {
			return true
		}
	}
	return false
}

// setHost sets the host to its normal form, in which it is compared.
func (p *Pattern) setHost(host string, syntax Syntax) error {
	if strings.Contains(host, "{") {
		return errors.New("wildcards are not allowed in the host")
	}
	dot := ""
	if syntax == Gateway {
		if rest, ok := strings.CutPrefix(host, "*."); ok {
			host, dot = rest, "."
		}
		switch {
		case strings.Contains(host, "*"):
			return errors.New("in a host * is only allowed at the start, followed by a dot")
		case dot != "" && host == "":
			return errors.New("a host is missing after the wildcard")
		case len(host) > maxHost:
			return fmt.Errorf("the host has more than %d characters", maxHost)
		}
	}
	name, port, ok := octets.SplitAuthority(host)
	if port != "" || ok && strings.HasSuffix(host, ":") {
		return errors.New("a port is not allowed: a host matches on all ports")
	}
	if p.Host = octets.Host(name); p.Host == "" && host != "" {
		return fmt.Errorf("%q is not a host; international names are written in their xn-- form", host)
	}
	p.Host = dot + p.Host
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

func (p *Pattern) add(text string, last bool) error {
	switch {
	case text == "" && last:
		p.segments = append(p.segments, segment{kind: restSegment})
		p.Names = append(p.Names, "")
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
	for _, other := range p.Names {
		if other == name {
			return fmt.Errorf("the wildcard name %q is used twice", name)
		}
	}
	p.segments = append(p.segments, segment{kind: kind})
	p.Names = append(p.Names, name)
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

// Rest reports whether the last wildcard matches any number of segments.
func (p *Pattern) Rest() bool { return p.segments[len(p.segments)-1].kind == restSegment }

// Clean removes dot segments (RFC 3986 section 5.2.4) and doubled slashes, and keeps a
// final slash.
func Clean(p string) string {
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
