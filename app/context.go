package app

import (
	"context"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// lifetime is the end of a request as others observe it. Most handlers do not
// observe it, so it is made on first use.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	// gone is closed when no response can reach the peer any more.
	gone    chan struct{}
	claimed atomic.Bool
	cause   error // of gone
}

func newLifetime(parent context.Context) *lifetime {
	ctx, cancel := context.WithCancelCause(parent)
	return &lifetime{ctx: ctx, cancel: cancel, gone: make(chan struct{})}
}

func (l *lifetime) end(cause error) {
	l.cancel(cause)
	if !answerable(cause) && l.claimed.CompareAndSwap(false, true) {
		l.cause = cause
		close(l.gone)
	}
}

// answerable reports whether a response can still reach the peer after the context
// has ended with that cause.
func answerable(cause error) bool { return cause == ErrHalfClosed || cause == ErrDraining }

// ended is the lifetime of every request that ended before it was observed.
var ended = func() *lifetime {
	l := newLifetime(context.Background())
	l.end(ErrRequestDone)
	return l
}()

func (r *Request) lifetime() *lifetime {
	if l := r.life.Load(); l != nil {
		return l
	}
	l := newLifetime((*valueContext)(r))
	if r.life.CompareAndSwap(nil, l) {
		return l
	}
	return r.life.Load()
}

// Context returns the request's context. It ends when the peer leaves, the deadline
// passes, the response is complete, or the server stops without waiting; that of an
// event stream also when the server starts to drain. context.Cause gives the reason:
// ErrPeerGone, ErrHalfClosed, ErrDeadline, ErrRequestDone or ErrDraining. Its Value
// returns what SetValue has attached, before or after the call of Context. Any goroutine.
func (r *Request) Context() context.Context {
	if set := r.values.Load().find(contextKey{}); set != nil {
		return set.value.(context.Context)
	}
	l := r.lifetime()
	if l == ended {
		return endedContext{l.ctx, r}
	}
	return l.ctx
}

// contextKey is the key of the context that SetContext has set.
type contextKey struct{}

// SetContext replaces the context that Context returns by ctx, for example by one with the
// span of a trace. ctx must be derived from Context, so that it ends with it. On the loop.
func (r *Request) SetContext(ctx context.Context) { r.SetValue(contextKey{}, ctx) }

// cancel implements spi.Cancel.
func (r *Request) cancel(cause error) {
	if cause == nil {
		if !r.life.CompareAndSwap(nil, ended) {
			r.lifetime().end(ErrRequestDone)
		}
		r.endings.End(ErrRequestDone)
		return
	}
	r.lifetime().end(cause)
	if cause == ErrHalfClosed {
		r.endings.HalfClose()
	} else {
		r.endings.End(cause)
	}
}

// isGone reports whether no response can reach the peer any more.
func (r *Request) isGone() bool {
	l := r.life.Load()
	if l == nil {
		return false
	}
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// cause returns the reason for isGone; before that, the cause of the context.
func (r *Request) cause() error {
	l := r.lifetime()
	select {
	case <-l.gone:
		return l.cause
	default:
		return context.Cause(l.ctx)
	}
}

// attach adds a listener for the end of the request. It reports false, and does not
// call the listener, if the request has ended.
func (r *Request) attach(e *ending.Entry, listener ending.Listener) bool {
	r.endings.Push(e, listener)
	// cancel marks the request before it reads the list.
	return !r.isGone() || !r.detach(e)
}

// detach removes a listener. It reports false if the listener is not in the list, or
// has been or is being called.
func (r *Request) detach(e *ending.Entry) bool { return r.endings.Remove(e) != nil }
