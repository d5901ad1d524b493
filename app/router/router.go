// Package router calls handlers by the patterns of net/http.ServeMux.
package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
	"github.com/gatewheel/gatewheel/app/internal/uri"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// core is what package app does for routers only.
var core = unexported.App.(interface {
	SetRoute(r *app.Request, route *unexported.Route, captures []string)
})

// Router calls the handler whose pattern matches best, with the patterns and
// the precedence of net/http.ServeMux:
//
//	/static/              everything below
//	GET /items/{id}       one segment: r.PathValue("id")
//	/files/{path...}      the rest of the path
//	/posts/{$}            the path with the slash, nothing below
//	example.com/          that host only
//
// Hosts are compared without their port, and in their normal form (RFC 3986 section
// 6.2.2): ServeMux minds case, a final dot and the ways to write an address. A pattern with a method matches that method, and GET also HEAD. A request
// whose path matches only with other methods gets 405 with Allow, and OPTIONS 204
// with Allow; a path with
// dot segments or doubled slashes, or one that lacks the trailing slash of a
// pattern, is redirected (307), except for a WebSocket's opening handshake, whose
// clients do not follow redirects: it is served. Patterns of which neither is more specific
// conflict.
//
// Register first, then serve: Serve may run on any number of loops, Handle must
// not run at the same time. Routes without wildcards cost no allocation.
type Router struct {
	// NotFound answers what matches no pattern; 404 when nil.
	NotFound app.Handler

	anyHost host
	hosts   map[string]*host
	routes  []*route
}

// host holds the patterns of one host, or of any.
type host struct {
	trees []tree
	exact map[string][]*route // by path, those without wildcards
}

// tree holds the patterns of one method. Trees apart by method need no way back
// from a path that matches to one that allows the method: conflicts are refused,
// so that the narrower method always has the narrower path.
type tree struct {
	method string
	root   branch
}

type route struct {
	*pattern
	handler app.Handler
	match   unexported.Route // what a request that it has matched knows of it
}

// branch is a node of the tree of segments.
type branch struct {
	literals []edge             // up to fewEdges are searched in order
	many     map[string]*branch // all of them, when there are more
	one      *branch
	leaf     *route // the path ends here
	end      *route // {$}
	rest     *route
}

type edge struct {
	segment string
	to      *branch
}

const fewEdges = 8

// literal is the branch behind a segment, nil for none.
func (b *branch) literal(segment string) *branch {
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

// grow is literal that makes what is not there.
func (b *branch) grow(segment string) *branch {
	if next := b.literal(segment); next != nil {
		return next
	}
	next := &branch{}
	b.literals = append(b.literals, edge{segment, next})
	if len(b.literals) > fewEdges {
		b.many = make(map[string]*branch, len(b.literals))
		for _, e := range b.literals {
			b.many[e.segment] = e.to
		}
	}
	return next
}

// Handle registers a handler. It panics when the pattern is malformed or
// conflicts with another: both are mistakes of the program.
func (m *Router) Handle(pattern string, h app.Handler) {
	p, err := parsePattern(pattern)
	if err != nil {
		panic(fmt.Sprintf("router: pattern %q: %v", pattern, err))
	}
	for _, other := range m.routes {
		if p.conflicts(other.pattern) {
			panic(fmt.Sprintf("router: patterns %q and %q match the same request, and neither is more specific", pattern, other.text))
		}
	}
	added := &route{pattern: p, handler: h, match: unexported.Route{
		Pattern: p.text, Names: p.names, Rest: p.segments[len(p.segments)-1].kind == restSegment,
	}}
	m.routes = append(m.routes, added)
	m.host(p.host).add(added)
}

func (m *Router) host(name string) *host {
	if name == "" {
		return &m.anyHost
	}
	if m.hosts[name] == nil {
		if m.hosts == nil {
			m.hosts = make(map[string]*host)
		}
		m.hosts[name] = &host{}
	}
	return m.hosts[name]
}

func (h *host) add(r *route) {
	if len(r.names) == 0 && !strings.Contains(r.path, "%") {
		if h.exact == nil {
			h.exact = make(map[string][]*route)
		}
		h.exact[r.path] = append(h.exact[r.path], r)
	}
	root := h.root(r.method)
	if root == nil {
		h.trees = append(h.trees, tree{method: r.method})
		root = h.root(r.method)
	}
	root.add(r)
}

func (b *branch) add(r *route) {
	for _, s := range r.segments {
		switch s.kind {
		case restSegment:
			b.rest = r
			return
		case endSegment:
			b.end = r
			return
		case oneSegment:
			if b.one == nil {
				b.one = &branch{}
			}
			b = b.one
		case literalSegment:
			b = b.grow(s.literal)
		}
	}
	b.leaf = r
}

// Serve is the router's Handler.
func (m *Router) Serve(r *app.Request) app.Future[*app.Response] {
	path := r.RawPath
	if path == "" {
		path = "/"
	}
	if found := m.exact(r, path); found != nil {
		core.SetRoute(r, &found.match, nil)
		return found.handler(r)
	}
	return m.search(r, path)
}

func redirectPath(r *app.Request, path string) app.Future[*app.Response] {
	return app.Ready(app.Redirect(307, uri.Location(path, r.RawQuery)))
}

func (m *Router) exact(r *app.Request, path string) *route {
	if m.hosts != nil {
		return nil
	}
	return m.anyHost.lookup(r.Method, path)
}

// lookup finds a route without wildcards for a path that needs no unescaping.
func (h *host) lookup(method, path string) (best *route) {
	for _, r := range h.exact[path] {
		switch {
		case r.method == method:
			return r
		case r.method == "GET" && method == "HEAD", r.method == "" && best == nil:
			best = r
		}
	}
	return best
}

func (m *Router) search(r *app.Request, path string) app.Future[*app.Response] {
	var space [8]string
	clean := path
	if r.Method != "CONNECT" {
		if path[0] != '/' {
			return pathless(r)
		}
		clean = cleanPath(path)
	}
	name := ""
	if m.hosts != nil {
		name = octets.Host(r.Authority)
	}
	found, captures := m.find(name, r.Method, clean, space[:0])
	if (found == nil || found.openEnded(captures)) && !strings.HasSuffix(clean, "/") {
		inHost := found != nil && found.host != ""
		if m.hosts[name].endsInSlash(r.Method, clean) || !inHost && m.anyHost.endsInSlash(r.Method, clean) {
			if !r.IsWebSocket() {
				return redirectPath(r, clean+"/")
			}
			found, captures = m.find(name, r.Method, clean+"/", space[:0])
		}
	}
	if clean != path && !r.IsWebSocket() {
		return redirectPath(r, clean)
	}
	if found != nil {
		core.SetRoute(r, &found.match, slices.Clone(captures))
		return found.handler(r)
	}
	if allow := m.allowed(name, path); len(allow) > 0 {
		return app.Ready(otherMethod(r, allow))
	}
	if m.NotFound != nil {
		return m.NotFound(r)
	}
	return app.Ready(app.Error(404, ""))
}

// otherMethod answers for a path that has other methods: OPTIONS asks which (RFC 9110
// section 9.3.7), as load balancers do to see whether a server is there.
func otherMethod(r *app.Request, allow []string) *app.Response {
	if r.Method == "OPTIONS" {
		return app.Empty(204).With("Allow", strings.Join(append(allow, "OPTIONS"), ", "))
	}
	return app.Error(405, "").With("Allow", strings.Join(allow, ", "))
}

// pathless answers requests for the server as a whole (RFC 9110 section 9.3.7), and
// refuses other targets that have no path.
func pathless(r *app.Request) app.Future[*app.Response] {
	if r.Method == "OPTIONS" && r.RawPath == "*" {
		return app.Ready(app.Empty(204))
	}
	return app.Ready(app.Error(400, ""))
}

// openEnded tells whether the match has left something to a wildcard of many
// segments: then the same path with a slash may match better.
func (r *route) openEnded(captures []string) bool {
	return r.segments[len(r.segments)-1].kind == restSegment && captures[len(captures)-1] != ""
}

func (m *Router) find(name, method, path string, captures []string) (*route, []string) {
	if h := m.hosts[name]; h != nil {
		if found, captures := h.find(method, path, captures); found != nil {
			return found, captures
		}
	}
	return m.anyHost.find(method, path, captures)
}

func (h *host) find(method, path string, captures []string) (*route, []string) {
	if found, captures := h.root(method).find(path, captures); found != nil {
		return found, captures
	}
	if method == "HEAD" {
		if found, captures := h.root("GET").find(path, captures); found != nil {
			return found, captures
		}
	}
	return h.root("").find(path, captures)
}

// root is the tree of the patterns with that method, nil for none.
func (h *host) root(method string) *branch {
	for i := range h.trees {
		if h.trees[i].method == method {
			return &h.trees[i].root
		}
	}
	return nil
}

// endsInSlash tells whether path would match exactly if it had a slash behind it.
// Whatever else matches then is wider: conflicts are refused.
func (h *host) endsInSlash(method, path string) bool {
	return h != nil && (h.root(method).endsInSlash(path) ||
		method == "HEAD" && h.root("GET").endsInSlash(path) || h.root("").endsInSlash(path))
}

func (b *branch) endsInSlash(path string) bool {
	switch {
	case b == nil:
		return false
	case path == "":
		return b.end != nil || b.rest != nil
	}
	text, rest, _ := nextSegment(path)
	return b.literal(uri.Unescape(text)).endsInSlash(rest) || b.one.endsInSlash(rest)
}

// find matches path, which begins with a slash or is empty. Literals go before
// wildcards, one segment before many.
func (b *branch) find(path string, captures []string) (*route, []string) {
	if b == nil {
		return nil, nil
	}
	if path == "" {
		return b.leaf, captures
	}
	if path == "/" && b.end != nil {
		return b.end, captures
	}
	text, rest, _ := nextSegment(path)
	if text != "" {
		text = uri.Unescape(text)
		if found, captures := b.literal(text).find(rest, captures); found != nil {
			return found, captures
		}
		if found, captures := b.one.find(rest, append(captures, text)); found != nil {
			return found, captures
		}
	}
	if b.rest != nil {
		return b.rest, append(captures, uri.Unescape(path[1:]))
	}
	return nil, nil
}

// allowed is the list of the methods that the path would match with.
func (m *Router) allowed(name, path string) []string {
	var methods []string
	for _, h := range []*host{m.hosts[name], &m.anyHost} {
		if h == nil {
			continue
		}
		for i := range h.trees {
			if found, _ := h.trees[i].root.find(path, nil); found != nil {
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
