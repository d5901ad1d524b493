package router

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/failure"
)

// Failures of a router. They do not change.
var (
	errNotFound = &app.StatusError{Status: 404}
	errNoTunnel = &app.StatusError{Status: 501}
	errNoPath   = &app.StatusError{Status: 400}
)

// call answers r with h. The hook Failed makes the response of a failure.
func (m *Router) call(h app.Handler, r *app.Request) app.Answer {
	if m.Failed == nil {
		return h(r)
	}
	return failure.Try(h, r, m.Failed)
}

// fail returns the failure err, with the response of the hook Failed.
func (m *Router) fail(r *app.Request, err error) app.Answer {
	if m.Failed == nil {
		return app.Fail(err)
	}
	return failure.Render(r, err, m.Failed)
}

// otherMethod answers a request whose path has other methods. OPTIONS asks for them (RFC
// 9110 section 9.3.7), as health checks of load balancers do.
func (m *Router) otherMethod(r *app.Request, methods []string) app.Answer {
	if r.Method == "OPTIONS" {
		return app.Ready(app.Empty(204).With("Allow", strings.Join(append(methods, "OPTIONS"), ", ")))
	}
	allow := strings.Join(methods, ", ")
	if m.MethodNotAllowed == nil {
		return m.fail(r, &app.StatusError{Status: 405, Fields: app.Fields{{Name: "Allow", Value: allow}}})
	}
	return app.Map(m.call(m.MethodNotAllowed, r), func(resp *app.Response) (*app.Response, error) {
		return resp.With("Allow", allow), nil
	})
}

// pathless answers OPTIONS for the whole server (RFC 9110 section 9.3.7), and refuses other
// targets without a path.
func (m *Router) pathless(r *app.Request) app.Answer {
	if r.Method == "OPTIONS" && r.RawPath == "*" {
		return app.Ready(app.Empty(204))
	}
	return m.fail(r, errNoPath)
}
