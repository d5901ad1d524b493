// Package middleware has middleware of general use: limits of time, size, number and rate;
// what browsers need (CORS, CSRF, SecurityFields, ETag, Sessions); recovery from panics,
// request identifiers, and the client's address behind proxies.
//
// Chain puts them around a handler. Those that change responses change failures too, see
// Changed.
package middleware

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

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

// Timeout sets the deadline of requests to d after their arrival, see
// app.Request.SetTimeout. It overrides the server's default and outer Timeouts; 0 is no
// deadline.
func Timeout(d time.Duration) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			r.SetTimeout(d)
			return next(r)
		}
	}
}

// Recover answers requests whose handler or continuation has panicked with the response
// of answer, which has to log the panic. If answer returns nil, and without Recover, the
// response is 500 and the server logs the panic. answer is called on the loop.
func Recover(answer func(*app.Request, *app.PanicError) *app.Response) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			f := next.Try(r)
			if f.Ready() {
				if _, err := f.Result(); err == nil {
					return f
				}
			}
			return app.Catch(f, func(err error) app.Answer {
				var p *app.PanicError
				if errors.As(err, &p) {
					if resp := answer(r, p); resp != nil {
						return app.Ready(resp)
					}
				}
				return app.Fail(err)
			})
		}
	}
}

// LimitBody limits the content of requests to that number of bytes. If a request declares
// more, it is answered with 413 before the handler runs; otherwise reading beyond the
// limit fails with a *app.StatusError (413).
func LimitBody(bytes int64) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			if r.ContentLength > bytes {
				return app.Fail(app.Statusf(413, "the request's content is larger than %d bytes", bytes))
			}
			r.Body.Limit(bytes)
			return next(r)
		}
	}
}

// LimitConcurrency limits the number of requests, on all loops, that wait for the head of
// their response to n. Others are answered with 503 and Retry-After. A request stops
// counting when it ends, even if its future is still pending.
func LimitConcurrency(n int64) app.Middleware {
	return func(next app.Handler) app.Handler {
		var waiting atomic.Int64
		return func(r *app.Request) app.Answer {
			if waiting.Add(1) > n {
				waiting.Add(-1)
				return app.Fail(app.ErrPoolFull)
			}
			f := next.Try(r)
			if f.Ready() {
				waiting.Add(-1)
				return f
			}
			p := &place{waiting: &waiting}
			if !core.Attach(r, &p.ending, p) {
				waiting.Add(-1)
				return f
			}
			return app.Finally(f, func() {
				if core.Detach(r, &p.ending) {
					waiting.Add(-1)
				}
			})
		}
	}
}

// place is the place of a waiting request.
type place struct {
	ending  ending.Entry
	waiting *atomic.Int64
}

// Ended implements ending.Listener.
func (p *place) Ended(error) { p.waiting.Add(-1) }

// RequestIDField is the name of the field that RequestID reads and writes.
const RequestIDField = "X-Request-Id"

// RequestID gives each request an identifier: that of the field X-Request-Id if a trusted
// proxy has sent it, else 32 random hexadecimal digits. It adds the field to the response;
// RequestIDOf returns the identifier.
func RequestID(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		id := ""
		if trust := r.Conn().Trust; trust != nil && trust.Trusts(r.Conn().Peer) {
			id = r.Fields.Get(RequestIDField)
		}
		if !isRequestID(id) {
			id = newRequestID()
		}
		core.SetRequestID(r, id)
		return Changed(next.Try(r), func(resp *app.Response) *app.Response {
			return resp.With(RequestIDField, id)
		})
	}
}

// RequestIDOf returns the identifier that RequestID gave to r, or "". Any goroutine.
func RequestIDOf(r *app.Request) string { return core.RequestID(r) }

func isRequestID(id string) bool {
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func newRequestID() string {
	var raw [16]byte
	for i, n := range [2]uint64{rand.Uint64(), rand.Uint64()} {
		for j := range 8 {
			raw[8*i+j] = byte(n >> (8 * j))
		}
	}
	return hex.EncodeToString(raw[:])
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
