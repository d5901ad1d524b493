package router

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/internal/pattern"
)

// Mount registers a handler for everything below a prefix, which is a pattern that may have
// a method, a host and wildcards for single segments. The handler gets the request with the
// prefix removed from RawPath, so that Path returns the rest, which begins with a slash.
// Target stays as received, and so does the URL of an http.Handler of package nethttp. The
// prefix alone is redirected to the prefix with a slash.
//
// If h is Serve of another Router, with or without middleware, the pattern of the request
// (app.Request.Pattern) is that of the prefix and that of the route together, and
// PathValue knows the wildcards of both. Such a router redirects below the prefix.
//
// It panics as Handle does: "/a/" conflicts with what is mounted at /a.
func (m *Router) Mount(prefix string, h app.Handler) { (&Group{router: m}).Mount(prefix, h) }

// MountRouter is Mount for a router, whose routes are then listed by Routes.
func (m *Router) MountRouter(prefix string, below *Router) {
	(&Group{router: m}).MountRouter(prefix, below)
}

// Mount is like Router.Mount, below the prefix of g and inside of its middleware, which
// sees the whole path.
func (g *Group) Mount(prefix string, h app.Handler) { g.mount(prefix, h, nil) }

// MountRouter is Mount for a router, whose routes are then listed by Router.Routes.
func (g *Group) MountRouter(prefix string, below *Router) { g.mount(prefix, below.Serve, below) }

func (g *Group) mount(prefix string, h app.Handler, below *Router) {
	text := internalapi.JoinPatterns(g.join(prefix), "/")
	g.router.add(text, &route{
		handler: g.wrap(stripped(h)),
		match:   internalapi.Route{Mount: true},
		router:  below,
	})
}

// stripped returns a handler that removes the prefix of a mount from RawPath and calls h.
func stripped(h app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		_, values := core.Captures(r)
		prefix := values[len(values)-1]
		rest, ok := strings.CutPrefix(r.RawPath, prefix)
		if !ok {
			// A handshake is not redirected to the clean path.
			if rest, ok = strings.CutPrefix(pattern.Clean(r.RawPath), prefix); !ok {
				return app.Fail(errNotFound) // middleware has changed the path
			}
		}
		if rest == "" {
			rest = "/"
		}
		r.RawPath = rest
		return h(r)
	}
}

// Route describes a route of a Router.
type Route struct {
	// Pattern is the text of the pattern, as app.Request.Pattern returns it.
	Pattern string
	// Method, Host and Path are its parts. An empty Method or Host stands for any.
	Method, Host, Path string
}

// Routes returns the routes in the order of their registration, for documentation and
// metrics. In place of a router that MountRouter has mounted it has the routes of that
// router; what Mount has mounted is one route, whose path ends with a slash.
func (m *Router) Routes() []Route {
	var routes []Route
	for _, registered := range m.all {
		text := registered.match.Pattern
		if registered.router == nil {
			routes = append(routes, newRoute(text))
			continue
		}
		for _, below := range registered.router.Routes() {
			routes = append(routes, newRoute(internalapi.JoinPatterns(text, below.Pattern)))
		}
	}
	return routes
}

func newRoute(text string) Route {
	method, host, path := internalapi.SplitPattern(text)
	return Route{Pattern: text, Method: method, Host: host, Path: path}
}
