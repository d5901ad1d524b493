package middleware

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/failure"
)

// RenderFailures answers failures of the handler that it wraps, those of middleware inside of it included, with the
// response of render, such as problem.Response. They stay failures: the server logs and counts panics and errors as
// without it. A failure that an inner RenderFailures or the hook Failed of a router has answered stays as it is, and
// so does one for which render returns nil. render is called on the loop. RenderFailures panics if render is nil.
func RenderFailures(render func(r *app.Request, err error) *app.Response) app.Middleware {
	if render == nil {
		panic("middleware: RenderFailures: there is no function")
	}
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer { return failure.Try(next, r, render) }
	}
}
