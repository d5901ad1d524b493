package internalapi

import (
	"slices"
	"strings"
	"sync/atomic"
)

// Route is a pattern of a router, or of a gateway, as a request that matched it keeps it. It must not be
// copied.
type Route struct {
	// Pattern is the text of the pattern.
	Pattern string
	// Names are the names of the wildcards, in order. The wildcard of a final slash has
	// an empty name.
	Names []string
	// Rest reports whether the last wildcard matches any number of segments.
	Rest bool
	// Mount marks a pattern whose handler gets the path without its prefix. The value of
	// the last wildcard is then that prefix, encoded.
	Mount bool

	// Slot is SlotOf(Pattern), by which metrics find their counters.
	Slot uint32

	base     *Route // the mount that leads to the route
	prefixes []int  // places of the prefixes of base among the values
	below    atomic.Pointer[belowMount]
}

// belowMount is an entry of the list of a route's forms below mounts. It does not change.
type belowMount struct {
	form *Route
	next *belowMount
}

// Base returns the mount below which other routers find their routes, after a router has
// chosen r: r itself, the mount that leads to it, or nil. r may be nil.
func (r *Route) Base() *Route {
	if r == nil || r.Mount {
		return r
	}
	return r.base
}

// Below returns r as a request sees it that has reached its router by that mount: with the
// pattern and the wildcards of both. It is made by the first such request, and is the same
// for all. Any goroutine.
func (r *Route) Below(mount *Route) *Route {
	var made *belowMount
	for {
		first := r.below.Load()
		for b := first; b != nil; b = b.next {
			if b.form.base == mount {
				return b.form
			}
		}
		if made == nil {
			made = &belowMount{form: r.composed(mount)}
		}
		made.next = first
		if r.below.CompareAndSwap(first, made) {
			return made.form
		}
	}
}

func (r *Route) composed(mount *Route) *Route {
	pattern := JoinPatterns(mount.Pattern, r.Pattern)
	return &Route{
		Pattern:  pattern,
		Slot:     SlotOf(pattern), // waits for those who make routes, which is short
		Names:    slices.Concat(mount.Names, r.Names),
		Rest:     r.Rest,
		Mount:    r.Mount,
		base:     mount,
		prefixes: append(slices.Clone(mount.prefixes), len(mount.Names)-1),
	}
}

// Prefix returns the part of the path that mounts have removed, encoded. values are those of
// the wildcards of r, which is a mount.
func (r *Route) Prefix(values []string) string {
	prefix := ""
	for _, place := range r.prefixes {
		prefix += values[place]
	}
	return prefix + values[len(r.Names)-1]
}

// SplitPattern returns the parts of the text of a pattern. Each may be empty: text may also
// be a method alone, in capitals.
func SplitPattern(text string) (method, host, path string) {
	rest := text
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		method, rest = text[:i], strings.TrimLeft(text[i:], " \t")
	} else if text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return text, "", ""
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return method, rest[:i], rest[i:]
	}
	return method, rest, ""
}

// JoinPatterns returns the text of the pattern with the path of text below that of prefix.
// The method of text precedes that of prefix, and the host of prefix that of text.
func JoinPatterns(prefix, text string) string {
	method, host, path := SplitPattern(prefix)
	ownMethod, ownHost, ownPath := SplitPattern(text)
	if ownMethod != "" {
		method = ownMethod
	}
	if host == "" {
		host = ownHost
	}
	if ownPath != "" {
		path = strings.TrimSuffix(path, "/")
	}
	joined := host + path + ownPath
	if method != "" {
		joined = method + " " + joined
	}
	return joined
}
