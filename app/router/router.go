// Package router chooses handlers by the patterns of net/http.ServeMux, in groups with
// middleware and in routers below a prefix.
package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/internal/pattern"
	"github.com/gatewheel/gatewheel/app/internal/uri"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	SetRoute(r *app.Request, route *internalapi.Route, values []string)
	Captures(r *app.Request) (names, values []string)
	MountPrefix(r *app.Request) string
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
// Routes are registered before requests are served, and hooks are set before: Serve may run
// on any number of loops, but not at the same time as other methods. Routes without
// wildcards do not allocate. The zero Router is ready for use.
type Router struct {
	// NotFound answers requests that match no pattern. Without it they fail with a
	// *app.StatusError (404). It is called on the loop.
	NotFound app.Handler
	// MethodNotAllowed answers requests whose path matches with other methods only. The
	// router adds Allow to its response. Without it such requests fail with a
	// *app.StatusError (405). It is called on the loop.
	MethodNotAllowed app.Handler
	// Failed returns the response for a failure of a handler, of a router below a mount that
	// has no such hook, or of the router itself (404, 405). Without it, or if it returns nil,
	// app.ErrorResponse makes the response. The failure stays one for middleware and for the
	// server, which logs a panic or an unexpected error. Failures of the server, such as a
	// missed deadline, do not reach the router. It is called on the loop.
	Failed func(r *app.Request, err error) *app.Response

	routes pattern.Set[*route]
	all    []*route // in the order of their registration
}

type route struct {
	handler app.Handler
	match   internalapi.Route // as requests see it
	router  *Router           // of MountRouter
}

// Handle registers a handler. It panics if the pattern is invalid or conflicts with
// another one.
func (m *Router) Handle(pattern string, h app.Handler) {
	m.add(pattern, &route{handler: h})
}

// HandleFunc registers a handler that answers at once, see app.Sync. It panics as Handle
// does.
func (m *Router) HandleFunc(pattern string, h func(*app.Request) (*app.Response, error)) {
	m.Handle(pattern, app.Sync(h))
}

// add registers a route, of which it sets match but for Mount.
func (m *Router) add(text string, added *route) {
	p, err := pattern.Parse(text, pattern.ServeMux)
	if err != nil {
		panic(fmt.Sprintf("router: pattern %q: %v", text, err))
	}
	added.match.Pattern, added.match.Names, added.match.Slot = text, p.Names, internalapi.SlotOf(text)
	added.match.Rest = p.Rest() && !added.match.Mount
	if other := m.routes.Add(p, added); other != nil {
		panic(fmt.Sprintf("router: patterns %q and %q match the same request, and neither is more specific", text, other.Text))
	}
	m.all = append(m.all, added)
}

// Serve answers r with the handler of the best pattern. It is an app.Handler.
func (m *Router) Serve(r *app.Request) app.Answer {
	path := r.RawPath
	if path == "" {
		path = "/"
	}
	if found := m.routes.Exact(r.Method, path); found != nil {
		core.SetRoute(r, &found.Value.match, nil)
		return m.call(found.Value.handler, r)
	}
	return m.search(r, path)
}

func redirectPath(r *app.Request, path string) app.Answer {
	return app.Ready(app.Redirect(307, uri.Location(core.MountPrefix(r)+path, r.RawQuery)))
}

func (m *Router) search(r *app.Request, path string) app.Answer {
	var space [8]string
	clean := path
	if r.Method != "CONNECT" {
		if path[0] != '/' {
			return m.pathless(r)
		}
		clean = pattern.Clean(path)
	}
	name := ""
	if m.routes.HasHosts() {
		name = octets.Host(r.Authority)
	}
	matched := clean
	found, captures := m.routes.Find(name, r.Method, clean, space[:0])
	if (found == nil || openEnded(found.Pattern, captures)) && !strings.HasSuffix(clean, "/") {
		inHost := found != nil && found.Host != ""
		if m.routes.EndsInSlash(name, r.Method, clean, !inHost) {
			if !r.IsWebSocket() {
				return redirectPath(r, clean+"/")
			}
			matched = clean + "/"
			found, captures = m.routes.Find(name, r.Method, matched, space[:0])
		}
	}
	if clean != path && !r.IsWebSocket() {
		return redirectPath(r, clean)
	}
	if found != nil {
		values := decoded(captures)
		if last := len(values) - 1; found.Value.match.Mount {
			values[last] = matched[:len(matched)-len(captures[last])-1]
		}
		core.SetRoute(r, &found.Value.match, values)
		return m.call(found.Value.handler, r)
	}
	if r.Method == "CONNECT" {
		// RFC 9110 section 9.3.6, and section 4 of RFC 8441 for protocols other than WebSocket: there
		// is no tunnel.
		return m.fail(r, errNoTunnel)
	}
	if allow := m.routes.Allowed(name, path); len(allow) > 0 {
		return m.otherMethod(r, allow)
	}
	if m.NotFound != nil {
		return m.call(m.NotFound, r)
	}
	return m.fail(r, errNotFound)
}

// openEnded reports whether a wildcard of many segments has matched something. Then the
// same path with a final slash may match better.
func openEnded(p *pattern.Pattern, captures []string) bool {
	return p.Rest() && captures[len(captures)-1] != ""
}

// decoded returns a copy of captures without percent-encoding.
func decoded(captures []string) []string {
	values := slices.Clone(captures)
	for i := range values {
		values[i] = uri.Unescape(values[i])
	}
	return values
}
