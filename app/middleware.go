package app

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Middleware makes a handler that does something around another.
type Middleware func(Handler) Handler

// Chain applies middleware to a handler, the first outermost.
func Chain(h Handler, around ...Middleware) Handler {
	for i := len(around) - 1; i >= 0; i-- {
		h = around[i](h)
	}
	return h
}

// WithTimeout sets the deadline of the requests that pass: see Request.SetTimeout. It
// overrides the server's default and any WithTimeout further out; 0 is no deadline.
func WithTimeout(d time.Duration) Middleware {
	return func(next Handler) Handler {
		return func(r *Request) Future[*Response] {
			r.SetTimeout(d)
			return next(r)
		}
	}
}

// Recover answers in place of a handler that has panicked, or whose continuation
// has. Without it, and when answer returns nil, such a request gets 500 and a
// line in the server's log: Recover is for those who want their own page, and
// then it has to do its own logging.
func Recover(answer func(*Request, *PanicError) *Response) Middleware {
	return func(next Handler) Handler {
		return func(r *Request) Future[*Response] {
			f := next.Try(r)
			if f.Ready() {
				if _, err := f.Result(); err == nil {
					return f
				}
			}
			return Catch(f, func(err error) Future[*Response] {
				var p *PanicError
				if errors.As(err, &p) {
					if resp := answer(r, p); resp != nil {
						return Ready(resp)
					}
				}
				return Failed[*Response](err)
			})
		}
	}
}

// LimitBody bounds a request's content: a larger one that is declared is refused
// with 413 before the handler runs, one that is not fails in its Read.
func LimitBody(bytes int64) Middleware {
	return func(next Handler) Handler {
		return func(r *Request) Future[*Response] {
			if r.ContentLength > bytes {
				return Failed[*Response](tooLarge(bytes))
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
func LimitConcurrency(n int64) Middleware {
	return func(next Handler) Handler {
		var waiting atomic.Int64
		return func(r *Request) Future[*Response] {
			if waiting.Add(1) > n {
				waiting.Add(-1)
				return Failed[*Response](ErrPoolFull)
			}
			f := next.Try(r)
			if f.Ready() {
				waiting.Add(-1)
				return f
			}
			p := &place{waiting: &waiting}
			if !r.attach(&p.ending, p) {
				waiting.Add(-1)
				return f
			}
			return Finally(f, func() {
				if r.detach(&p.ending) {
					waiting.Add(-1)
				}
			})
		}
	}
}

// place is a request's among those that wait.
type place struct {
	ending  ending
	waiting *atomic.Int64
}

func (p *place) over(error) { p.waiting.Add(-1) }

// RequestIDField is the field of RequestID.
const RequestIDField = "X-Request-Id"

type requestIDKey struct{}

// RequestID gives each request an identifier: the one that a trusted proxy has
// sent in X-Request-Id, else a random one of 32 hexadecimal digits. The response
// carries it; RequestIDOf tells it.
func RequestID(next Handler) Handler {
	return func(r *Request) Future[*Response] {
		id := ""
		if r.conn.Trust != nil && r.conn.Trust.trusts(r.conn.Peer) {
			id = r.Fields.Get(RequestIDField)
		}
		if !isRequestID(id) {
			id = newRequestID()
		}
		r.SetValue(requestIDKey{}, id)
		return Changed(next.Try(r), func(resp *Response) *Response {
			return resp.With(RequestIDField, id)
		})
	}
}

// RequestIDOf is the identifier that RequestID gave to r, "" without it.
func RequestIDOf(r *Request) string {
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
func Changed(f Future[*Response], change func(*Response) *Response) Future[*Response] {
	return After(f, func(resp *Response, err error) Future[*Response] {
		if err == nil && resp == nil {
			err = ErrNoResponse
		}
		if err != nil {
			return Failed[*Response](&changedError{err, change(ErrorResponse(err))})
		}
		return Ready(change(resp))
	})
}

// changedError is a failure with the response that it has been given.
type changedError struct {
	error
	changed *Response
}

func (e *changedError) Unwrap() error { return e.error }

func (e *changedError) response() *Response { return e.changed }
