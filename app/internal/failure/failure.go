// Package failure makes the responses of failures by hooks, for routers and middleware.
package failure

import (
	"errors"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// Hook returns the response for a failure of a request, or nil to leave the failure as it is.
type Hook = func(r *app.Request, err error) *app.Response

// Try returns the answer of h to r. A failure, panics included, gets the response of hook, see Render. On the loop.
func Try(h app.Handler, r *app.Request, hook Hook) app.Answer {
	f := h.Try(r)
	if f.Ready() {
		if resp, err := f.Result(); err == nil && resp != nil {
			return f
		}
	}
	return app.After(f, func(resp *app.Response, err error) app.Answer {
		switch {
		case err != nil:
			return Render(r, err, hook)
		case resp == nil:
			return Render(r, app.ErrNoResponse, hook)
		}
		return app.Ready(resp)
	})
}

// Render returns the failure err with the response of hook. The error stays the one that is logged. A failure that has
// the response of a hook already stays as it is. On the loop.
func Render(r *app.Request, err error, hook Hook) app.Answer {
	var before *rendered
	if errors.As(err, &before) || errors.Is(err, internalapi.ErrAborted) {
		return app.Fail(err)
	}
	resp := hook(r, err)
	if resp == nil {
		return app.Fail(err)
	}
	return app.Fail(&rendered{error: err, response: resp})
}

// rendered is a failure with the response of a hook.
type rendered struct {
	error
	response *app.Response
}

// Unwrap returns the failure as the handler has returned it.
func (e *rendered) Unwrap() error { return e.error }

// Response returns the response of the hook, see app.ErrorResponse.
func (e *rendered) Response() *app.Response { return e.response }
