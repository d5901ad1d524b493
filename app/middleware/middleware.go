// Package middleware has middleware of general use: limits of time, size, number and rate;
// what browsers need (CORS, CSRF, SecurityFields, ETag, Sessions); recovery from panics,
// request identifiers, and the client's address behind proxies.
//
// Chain puts them around a handler. Those that change responses change failures too, see
// Changed.
package middleware

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Attach(r *app.Request, e *ending.Entry, who ending.Listener) bool
	Detach(r *app.Request, e *ending.Entry) bool
	SetRequestID(r *app.Request, id string)
	RequestID(r *app.Request) string
	SetClient(r *app.Request, c *forwarded.Client)
})

// Chain wraps a handler in middleware. The first is the outermost.
func Chain(h app.Handler, around ...app.Middleware) app.Handler {
	for i := len(around) - 1; i >= 0; i-- {
		h = around[i](h)
	}
	return h
}

// Changed returns a future with the result of change for the response of f. If f fails,
// change gets the response for the failure, and the future fails with the same error,
// which is logged, and the changed response. On the loop.
func Changed(f app.Answer, change func(*app.Response) *app.Response) app.Answer {
	return app.After(f, func(resp *app.Response, err error) app.Answer {
		if err == nil && resp == nil {
			err = app.ErrNoResponse
		}
		if err != nil {
			return app.Fail(&changedError{err, change(app.ErrorResponse(err))})
		}
		return app.Ready(change(resp))
	})
}

// changedError is a failure whose response was changed.
type changedError struct {
	error
	changed *app.Response
}

func (e *changedError) Unwrap() error { return e.error }

// Response returns the changed response, see app.ErrorResponse.
func (e *changedError) Response() *app.Response { return e.changed }
