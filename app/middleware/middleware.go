// Package middleware has handlers around handlers: limits, identifiers, recovery.
package middleware

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
)

// core is what package app does for its own packages only.
var core = unexported.App.(interface {
	Attach(r *app.Request, e *ending.Entry, who ending.Listener) bool
	Detach(r *app.Request, e *ending.Entry) bool
})

// Chain applies middleware to a handler, the first outermost.
func Chain(h app.Handler, around ...app.Middleware) app.Handler {
	for i := len(around) - 1; i >= 0; i-- {
		h = around[i](h)
	}
	return h
}

// Timeout sets the deadline of the requests that pass: see Request.SetTimeout. It
// overrides the server's default and any Timeout further out; 0 is no deadline.
func Timeout(d time.Duration) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Future[*app.Response] {
			r.SetTimeout(d)
			return next(r)
		}
	}
}

// Recover answers in place of a handler that has panicked, or whose continuation
// has. Without it, and when answer returns nil, such a request gets 500 and a
// line in the server's log: Recover is for those who want their own page, and
// then it has to do its own logging.
func Recover(answer func(*app.Request, *app.PanicError) *app.Response) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Future[*app.Response] {
			f := next.Try(r)
			if f.Ready() {
				if _, err := f.Result(); err == nil {
					return f
				}
			}
			return app.Catch(f, func(err error) app.Future[*app.Response] {
				var p *app.PanicError
				if errors.As(err, &p) {
					if resp := answer(r, p); resp != nil {
						return app.Ready(resp)
					}
				}
				return app.Failed[*app.Response](err)
			})
		}
	}
}

// LimitBody bounds a request's content: a larger one that is declared is refused
// with 413 before the handler runs, one that is not fails in its Read.
func LimitBody(bytes int64) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Future[*app.Response] {
			if r.ContentLength > bytes {
				return app.Failed[*app.Response](app.Statusf(413, "the request's content is larger than %d bytes", bytes))
			}
			r.Body.Limit(bytes)
			return next(r)
		}
	}
}

// LimitConcurrency lets n requests at once wait for their response's head; the
// others are refused with 503 and Retry-After. One whose peer has left, or whose
// deadline has passed, waits no more, whatever becomes of its future. It counts over
// all loops.
func LimitConcurrency(n int64) app.Middleware {
	return func(next app.Handler) app.Handler {
		var waiting atomic.Int64
		return func(r *app.Request) app.Future[*app.Response] {
			if waiting.Add(1) > n {
				waiting.Add(-1)
				return app.Failed[*app.Response](app.ErrPoolFull)
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

// place is a request's among those that wait.
type place struct {
	ending  ending.Entry
	waiting *atomic.Int64
}

// Ended implements ending.Listener.
func (p *place) Ended(error) { p.waiting.Add(-1) }

// RequestIDField is the field of RequestID.
const RequestIDField = "X-Request-Id"

type requestIDKey struct{}

// RequestID gives each request an identifier: the one that a trusted proxy has
// sent in X-Request-Id, else a random one of 32 hexadecimal digits. The response
// carries it; RequestIDOf tells it.
func RequestID(next app.Handler) app.Handler {
	return func(r *app.Request) app.Future[*app.Response] {
		id := ""
		if trust := r.Conn().Trust; trust != nil && trust.Trusts(r.Conn().Peer) {
			id = r.Fields.Get(RequestIDField)
		}
		if !isRequestID(id) {
			id = newRequestID()
		}
		r.SetValue(requestIDKey{}, id)
		return Changed(next.Try(r), func(resp *app.Response) *app.Response {
			return resp.With(RequestIDField, id)
		})
	}
}

// RequestIDOf is the identifier that RequestID gave to r, "" without it.
func RequestIDOf(r *app.Request) string {
	id, _ := r.Value(requestIDKey{}).(string)
	return id
}

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

// Changed is f with its response changed: the one that it brings, or the one that
// its failure is made into. The failure itself stays what it is, for the log.
func Changed(f app.Future[*app.Response], change func(*app.Response) *app.Response) app.Future[*app.Response] {
	return app.After(f, func(resp *app.Response, err error) app.Future[*app.Response] {
		if err == nil && resp == nil {
			err = app.ErrNoResponse
		}
		if err != nil {
			return app.Failed[*app.Response](&changedError{err, change(app.ErrorResponse(err))})
		}
		return app.Ready(change(resp))
	})
}

// changedError is a failure with the response that it has been given.
type changedError struct {
	error
	changed *app.Response
}

func (e *changedError) Unwrap() error { return e.error }

// Response is the response that the failure has been given.
func (e *changedError) Response() *app.Response { return e.changed }
