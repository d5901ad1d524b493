package target

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/router"
)

// parameter names the value behind an endpoint's name in the path.
const parameter = "parameter"

// repeatable is the query parameter that may be given several times.
const repeatable = "backend"

// endpoint is a path with its handler and the requests that it accepts.
type endpoint struct {
	path    string
	handler app.Handler
	// value reports that a value follows in the path, as in /bytes/{n}.
	value bool
	// methods are the methods that the endpoint accepts; nil is GET, which includes HEAD.
	methods []string
	// query has the names of the query parameters besides timing.
	query []string
	// anyQuery accepts any query.
	anyQuery bool
}

// endpoints returns the endpoints other than WebSockets and files.
func (t *target) endpoints() []endpoint {
	all := []endpoint{
		{path: "/{$}", handler: hello},
		{path: "/bytes", value: true, handler: bytes},
		{path: "/stream", value: true, handler: stream},
		{path: "/drip", handler: drip, query: []string{"bytes", "every", "size"}},
		{path: "/delay", value: true, handler: delay, query: []string{"seed"}},
		{path: "/status", value: true, handler: status},
		{path: "/unstable", handler: unstable, query: []string{"fail", "seed", "status"}},
		{path: "/echo", methods: contentMethods, handler: t.echo, query: []string{"after"}},
		{path: "/upload", methods: contentMethods, handler: upload, query: []string{"rate"}},
		{path: "/headers", methods: contentMethods, handler: headers, anyQuery: true},
		{path: "/trailers", handler: trailers},
		{path: "/offload", value: true, handler: offload},
		{path: "/fanout", handler: t.fanout, query: []string{repeatable, "deadline", "delay", "n", "seed"}},
		{path: "/events", handler: numbers, query: []string{"every", "n"}},
		{path: "/healthz", handler: healthz, anyQuery: true},
		{path: "/readyz", handler: t.readyz, anyQuery: true},
	}
	if t.config.AllowStall {
		all = append(all, endpoint{path: "/stall", value: true, handler: stall, query: []string{"spin"}})
	}
	if t.config.Counter != nil {
		all = append(all, endpoint{path: "/count", methods: []string{"GET", "POST"}, handler: newCount(t.config.Counter).serve, query: []string{"reset"}})
	}
	return all
}

// contentMethods are the methods of endpoints that read content; GET includes HEAD.
var contentMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// handle adds an endpoint to the routes. Its other methods get 405, its other parameters 400.
func (t *target) handle(routes *router.Router, e endpoint) {
	methods := e.methods
	if methods == nil {
		methods = []string{"GET"}
	}
	handler := e.handler
	if !e.anyQuery {
		handler = checked(e.path, append([]string{timing}, e.query...), t.timed(handler))
	}
	for _, method := range methods {
		routes.Handle(method+" "+e.path, handler)
		if e.value {
			// The handler refuses a value that is missing or followed by more.
			routes.Handle(method+" "+e.path+"/{"+parameter+"...}", handler)
		}
	}
}

// checked refuses queries with parameters that are not in names, or are given twice without being repeatable: a typo
// must not change what is measured.
func checked(path string, names []string, h app.Handler) app.Handler {
	slices.Sort(names)
	return func(r *app.Request) app.Answer {
		if r.RawQuery != "" {
			if err := checkQuery(r.RawQuery, strings.TrimSuffix(path, "{$}"), names); err != nil {
				return app.Fail(err)
			}
		}
		return h(r)
	}
}

func checkQuery(raw, path string, names []string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return app.Statusf(400, "the query cannot be read: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(names, name) {
			return app.Statusf(400, "%s has no parameter %q: it takes %s", path, name, listed(names))
		}
		if len(query[name]) > 1 && name != repeatable {
			return app.Statusf(400, "%s is given twice", name)
		}
	}
	return nil
}

// listed joins names as a sentence does.
func listed(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return cmp.Or(strings.Join(names, ""), "none")
	}
	return fmt.Sprintf("%s and %s", strings.Join(names[:last], ", "), names[last])
}
