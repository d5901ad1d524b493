// Package router chooses handlers by the patterns of net/http.ServeMux.
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

	routes pattern.Set[*route]
}

type route struct {
	handler app.Handler
	match   internalapi.Route // as requests see it
}

// Handle registers a handler. It panics if the pattern is invalid or conflicts with
// another one.
func (m *Router) Handle(text string, h app.Handler) {
	p, err := pattern.Parse(text, pattern.ServeMux)
	if err != nil {
		panic(fmt.Sprintf("router: pattern %q: %v", text, err))
	}
	added := &route{handler: h, match: internalapi.Route{Pattern: text, Names: p.Names, Rest: p.Rest()}}
	if other := m.routes.Add(p, added); other != nil {
		panic(fmt.Sprintf("router: patterns %q and %q match the same request, and neither is more specific", text, other.Text))
	}
}

// Serve answers r with the handler of the best pattern. It is an app.Handler.
func (m *Router) Serve(r *app.Request) app.Future[*app.Response] {
	path := r.RawPath
	if path == "" {
		path = "/"
	}
	if found := m.routes.Exact(r.Method, path); found != nil {
		core.SetRoute(r, &found.Value.match, nil)
		return found.Value.handler(r)
	}
	return m.search(r, path)
}

func redirectPath(r *app.Request, path string) app.Future[*app.Response] {
	return app.Ready(app.Redirect(307, uri.Location(path, r.RawQuery)))
}

func (m *Router) search(r *app.Request, path string) app.Future[*app.Response] {
	var space [8]string
	clean := path
	if r.Method != "CONNECT" {
		if path[0] != '/' {
			return pathless(r)
		}
		clean = pattern.Clean(path)
	}
	name := ""
	if m.routes.HasHosts() {
		name = octets.Host(r.Authority)
	}
	found, captures := m.routes.Find(name, r.Method, clean, space[:0])
	if (found == nil || openEnded(found.Pattern, captures)) && !strings.HasSuffix(clean, "/") {
		inHost := found != nil && found.Host != ""
		if m.routes.EndsInSlash(name, r.Method, clean, !inHost) {
			if !r.IsWebSocket() {
				return redirectPath(r, clean+"/")
			}
			found, captures = m.routes.Find(name, r.Method, clean+"/", space[:0])
		}
	}
	if clean != path && !r.IsWebSocket() {
		return redirectPath(r, clean)
	}
	if found != nil {
		core.SetRoute(r, &found.Value.match, decoded(captures))
		return found.Value.handler(r)
	}
	if r.Method == "CONNECT" {
		// RFC 9110 section 9.3.6, and section 4 of RFC 8441 for protocols other than WebSocket: there
		// is no tunnel.
		return app.Ready(app.Error(501, ""))
	}
	if allow := m.routes.Allowed(name, path); len(allow) > 0 {
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
