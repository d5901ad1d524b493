package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// Group registers routes of a router below a prefix and with middleware. Like a Router, it
// is used before requests are served. Groups cost nothing when requests are served: their
// patterns are patterns of the router, and middleware is applied once.
type Group struct {
	router *Router
	prefix string           // a host and a path, or empty
	around []app.Middleware // the first is the outermost
}

// With returns a group whose handlers are wrapped in middleware, the first outermost.
func (m *Router) With(around ...app.Middleware) *Group {
	return (&Group{router: m}).With(around...)
}

// Group returns a group whose patterns begin with prefix: a path such as /api/{version},
// which may follow a host, without a final slash. Its handlers are wrapped in middleware,
// the first outermost. It panics if the prefix is no such path.
func (m *Router) Group(prefix string, around ...app.Middleware) *Group {
	return (&Group{router: m}).Group(prefix, around...)
}

// With returns a group below g, with more middleware inside of that of g.
func (g *Group) With(around ...app.Middleware) *Group {
	return &Group{router: g.router, prefix: g.prefix, around: slices.Concat(g.around, around)}
}

// Group returns a group below g, with a longer prefix and with more middleware inside of
// that of g. It panics as Router.Group does.
func (g *Group) Group(prefix string, around ...app.Middleware) *Group {
	method, host, path := internalapi.SplitPattern(prefix)
	if method != "" || host != "" && g.prefix != "" || path == "" || strings.HasSuffix(path, "/") {
		panic(fmt.Sprintf("router: prefix %q: it must be a path that begins with a slash and does not end with one", prefix))
	}
	below := g.With(around...)
	below.prefix += prefix
	return below
}

// Handle registers a handler for a pattern below the prefix. Of a pattern that is a method
// alone, or empty, the path is the prefix. It panics as Router.Handle does, with the whole
// pattern.
func (g *Group) Handle(pattern string, h app.Handler) {
	g.router.Handle(g.join(pattern), g.wrap(h))
}

// HandleFunc registers a handler that answers at once, see app.Sync and Handle.
func (g *Group) HandleFunc(pattern string, h func(*app.Request) (*app.Response, error)) {
	g.Handle(pattern, app.Sync(h))
}

// join returns the whole pattern.
func (g *Group) join(pattern string) string {
	if g.prefix == "" {
		return pattern
	}
	if _, host, _ := internalapi.SplitPattern(pattern); host != "" {
		panic(fmt.Sprintf("router: pattern %q: in a group with a prefix its path must begin with a slash", pattern))
	}
	return internalapi.JoinPatterns(g.prefix, pattern)
}

// wrap applies the middleware.
func (g *Group) wrap(h app.Handler) app.Handler {
	for _, around := range slices.Backward(g.around) {
		h = around(h)
	}
	return h
}
