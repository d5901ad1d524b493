package pattern

import (
	"slices"
	"strings"
)

// Set is a set of patterns with values, no two of which conflict. The time of a search
// does not grow with their number. Searches may run on any number of goroutines, but not
// at the same time as Add. The zero Set is empty and ready for use.
type Set[T any] struct {
	anyHost  host[T]
	hosts    map[string]*host[T]
	suffixes map[string]*host[T] // by host, with the dot at its start
	longest  int                 // of the suffixes
}

// Entry is a pattern of a Set and its value.
type Entry[T any] struct {
	*Pattern
	Value T
}

func (e *Entry[T]) conflict(p *Pattern) *Pattern {
	if e != nil && p.Conflicts(e.Pattern) {
		return e.Pattern
	}
	return nil
}

// host has the patterns of one host, or of all.
type host[T any] struct {
	trees []tree[T]
	exact map[string][]*Entry[T] // without wildcards, by path
}

// tree has the patterns of one method. Since conflicts are refused, the narrower method
// has the narrower path.
type tree[T any] struct {
	method string
	root   branch[T]
}

// Add adds a pattern. It returns a pattern of the set that conflicts with it, which is
// then not added, or nil.
func (s *Set[T]) Add(p *Pattern, value T) (conflict *Pattern) {
	h := s.ofPattern(p.Host)
	for i := range h.trees {
		if relateMethods(p.Method, h.trees[i].method) == disjoint {
			continue
		}
		if q := h.trees[i].root.conflict(p, p.segments); q != nil {
			return q
		}
	}
	h.add(&Entry[T]{p, value})
	return nil
}

func (s *Set[T]) ofPattern(name string) *host[T] {
	all := &s.hosts
	switch {
	case name == "":
		return &s.anyHost
	case name[0] == '.':
		all = &s.suffixes
		s.longest = max(s.longest, len(name))
	}
	if *all == nil {
		*all = make(map[string]*host[T])
	}
	if (*all)[name] == nil {
		(*all)[name] = &host[T]{}
	}
	return (*all)[name]
}

func (h *host[T]) add(e *Entry[T]) {
	if len(e.Names) == 0 && !strings.Contains(e.Path, "%") {
		if h.exact == nil {
			h.exact = make(map[string][]*Entry[T])
		}
		h.exact[e.Path] = append(h.exact[e.Path], e)
	}
	root := h.root(e.Method)
	if root == nil {
		h.trees = append(h.trees, tree[T]{method: e.Method})
		root = h.root(e.Method)
	}
	root.add(e)
}

// root returns the tree of that method, or nil.
func (h *host[T]) root(method string) *branch[T] {
	for i := range h.trees {
		if h.trees[i].method == method {
			return &h.trees[i].root
		}
	}
	return nil
}

// search is the state of one search.
type search[T any] struct {
	subtrees  bool                 // a pattern with a final slash matches the path without it
	unslashed bool                 // the pattern that was found last does so
	accept    func(*Entry[T]) bool // nil accepts all
}

func (s *search[T]) accepts(e *Entry[T]) bool {
	return e != nil && (s.accept == nil || s.accept(e))
}

// HasHosts reports whether a pattern names a host.
func (s *Set[T]) HasHosts() bool { return s.hosts != nil || s.suffixes != nil }

// Exact returns the pattern without host and wildcards for a path without
// percent-encoding, or nil. It never finds one if there are patterns with hosts.
func (s *Set[T]) Exact(method, path string) (best *Entry[T]) {
	if s.HasHosts() {
		return nil
	}
	for _, e := range s.anyHost.exact[path] {
		switch {
		case e.Method == method:
			return e
		case e.Method == "GET" && method == "HEAD", e.Method == "" && best == nil:
			best = e
		}
	}
	return best
}

// Find returns the most specific pattern for a request, or nil, and what its wildcards
// have matched, still encoded, appended to captures. name is the host in normal form. It
// allocates only if captures has too little room.
func (s *Set[T]) Find(name, method, path string, captures []string) (*Entry[T], []string) {
	var state search[T]
	found, matched := s.hosts[name].find(method, path, &state, captures)
	if found == nil {
		found, matched = s.anyHost.find(method, path, &state, captures)
	}
	return found, matched
}

// FindAccepted is like Find with the rules of a gateway: it tries the exact host, then the
// hosts with wildcards, the longest first, then the patterns without a host; a pattern
// with a final slash, or with {name...} behind one, also matches the path without it; and
// accept decides about each pattern that matches, the most specific first, until it
// returns true. A path that does not begin with a slash matches nothing.
func (s *Set[T]) FindAccepted(name, method, path string, captures []string, accept func(*Entry[T]) bool) (*Entry[T], []string) {
	state := search[T]{subtrees: true, accept: accept}
	if path == "" || path[0] != '/' {
		return nil, captures
	}
	found, matched := s.hosts[name].find(method, path, &state, captures)
	if found == nil && s.suffixes != nil {
		found, matched = s.findSuffix(name, method, path, &state, captures)
	}
	if found == nil {
		found, matched = s.anyHost.find(method, path, &state, captures)
	}
	return found, matched
}

// findSuffix tries the hosts with wildcards. Only the end of name that can be one of them
// counts, so that the time does not grow with the length of name.
func (s *Set[T]) findSuffix(name, method, path string, state *search[T], captures []string) (*Entry[T], []string) {
	for i := max(1, len(name)-s.longest); i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		if found, captures := s.suffixes[name[i:]].find(method, path, state, captures); found != nil {
			return found, captures
		}
	}
	return nil, captures
}

func (h *host[T]) find(method, path string, s *search[T], captures []string) (*Entry[T], []string) {
	if h == nil {
		return nil, captures
	}
	if found, captures := h.root(method).find(path, s, captures); found != nil {
		return h.unslashed(found, method, s, captures)
	}
	if method == "HEAD" {
		if found, captures := h.root("GET").find(path, s, captures); found != nil {
			return h.unslashed(found, "GET", s, captures)
		}
	}
	return h.root("").find(path, s, captures)
}

// unslashed returns found, or the pattern of a wider method that matches the path without
// its final slash, where found has matched that.
func (h *host[T]) unslashed(found *Entry[T], method string, s *search[T], captures []string) (*Entry[T], []string) {
	if !s.unslashed {
		return found, captures
	}
	s.unslashed = false
	for _, wider := range [...]string{"GET", ""} {
		if wider == "GET" && method != "HEAD" {
			continue
		}
		if own := h.root(wider).leafOf(found.segments[:len(found.segments)-1]); s.accepts(own) {
			return own, captures[:len(captures)-1]
		}
	}
	return found, captures
}

// EndsInSlash reports whether path with a final slash would match a pattern of the host
// exactly. Any other match is less specific, since conflicts are refused. anyHost asks
// the patterns without a host too.
func (s *Set[T]) EndsInSlash(name, method, path string, anyHost bool) bool {
	return s.hosts[name].endsInSlash(method, path) || anyHost && s.anyHost.endsInSlash(method, path)
}

func (h *host[T]) endsInSlash(method, path string) bool {
	return h != nil && (h.root(method).endsInSlash(path) ||
		method == "HEAD" && h.root("GET").endsInSlash(path) || h.root("").endsInSlash(path))
}

// Allowed returns the methods with which the path matches.
func (s *Set[T]) Allowed(name, path string) []string {
	var methods []string
	for _, h := range []*host[T]{s.hosts[name], &s.anyHost} {
		if h == nil {
			continue
		}
		for i := range h.trees {
			if found, _ := h.trees[i].root.find(path, &search[T]{}, nil); found != nil {
				methods = append(methods, h.trees[i].method)
				if h.trees[i].method == "GET" {
					methods = append(methods, "HEAD")
				}
			}
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}
