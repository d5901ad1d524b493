// Package router chooses handlers by the patterns of net/http.ServeMux.
package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/internal/uri"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	SetRoute(r *app.Request, route *internalapi.Route, captures []string)
})

// Router calls the handler of the pattern that matches a request best. Patterns and
// precedence are those of net/http.ServeMux:
//
//	/static/              everything below
//	GET /items/{id}       one segment: r.PathValue("id")
//	/files/{path...}      the rest of the path
//	/posts/{$}            the path with its final slash, and nothing below
//	example.com/          that host only
//
// Unlike in ServeMux, hosts are compared without their port and in their normal form (RFC
// 3986 section 6.2.2). A pattern with a method matches that method, and GET also HEAD. A
// request whose path matches with other methods only gets 405 with Allow, and OPTIONS 204
// with Allow. A path with dot segments or doubled slashes, or without the final slash of a
// pattern, is redirected (307); a WebSocket handshake, which cannot follow redirects, is
// served. Patterns conflict if both match a request and neither is more specific.
//
// Serve may run on any number of loops, but not at the same time as Handle. Routes without
// wildcards do not allocate. The zero Router is ready for use.
type Router struct {
	// NotFound answers requests that match no pattern. The default is 404.
	NotFound app.Handler

	anyHost host
	hosts   map[string]*host
	routes  []*route
}

// host has the patterns of one host, or of all.
type host struct {
	trees []tree
	exact map[string][]*route // without wildcards, by path
}

// tree has the patterns of one method. Since conflicts are refused, the narrower method
// has the narrower path, and no search over several methods is needed.
type tree struct {
	method string
	root   branch
}

type route struct {
	*pattern
	handler app.Handler
	match   internalapi.Route // as requests see it
}

// branch is a node of a tree.
type branch struct {
	literals []edge             // searched in order if there are at most fewEdges
	many     map[string]*branch // all literals, if there are more
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

// literal returns the branch of a literal segment, or nil.
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

// grow is like literal, and adds the branch if there is none.
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

// Handle registers a handler. It panics if the pattern is invalid or conflicts with
// another one.
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
	added := &route{pattern: p, handler: h, match: internalapi.Route{
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

// Serve answers r with the handler of the best pattern. It is an app.Handler.
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

// lookup finds a route without wildcards for a path without percent-encoding.
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
	if r.Method == "CONNECT" {
		// RFC 9110 section 9.3.6, and section 4 of RFC 8441 for protocols other than WebSocket: there
		// is no tunnel.
		return app.Ready(app.Error(501, ""))
	}
	if allow := m.allowed(name, path); len(allow) > 0 {
		return app.Ready(otherMethod(r, allow))
	}
	if m.NotFound != nil {
		return m.NotFound(r)
	}
	return app.Ready(app.Error(404, ""))
}

// otherMethod answers a request whose path has other methods. OPTIONS asks for them (RFC
// 9110 section 9.3.7), as health checks of load balancers do.
func otherMethod(r *app.Request, allow []string) *app.Response {
	if r.Method == "OPTIONS" {
		return app.Empty(204).With("Allow", strings.Join(append(allow, "OPTIONS"), ", "))
	}
	return app.Error(405, "").With("Allow", strings.Join(allow, ", "))
}

// pathless answers OPTIONS for the whole server (RFC 9110 section 9.3.7), and refuses other
// targets without a path.
func pathless(r *app.Request) app.Future[*app.Response] {
	if r.Method == "OPTIONS" && r.RawPath == "*" {
		return app.Ready(app.Empty(204))
	}
	return app.Ready(app.Error(400, ""))
}

// openEnded reports whether a wildcard of many segments has matched something. Then the
// same path with a final slash may match better.
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

// root returns the tree of that method, or nil.
func (h *host) root(method string) *branch {
	for i := range h.trees {
		if h.trees[i].method == method {
			return &h.trees[i].root
		}
	}
	return nil
}

// endsInSlash reports whether path with a final slash would match a pattern exactly. Any
// other match is less specific, since conflicts are refused.
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

// find matches path, which starts with a slash or is empty. Literals precede wildcards, and
// one segment precedes many.
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

// allowed returns the methods with which the path matches.
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
