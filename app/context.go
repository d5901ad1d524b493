package app

import (
	"context"
	"sync/atomic"
)

// lifetime is how long a request lasts, for whom it concerns: most handlers
// answer without asking, so it is made when somebody asks.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	// gone is closed when nobody can read an answer any more: see answerable.
	gone    chan struct{}
	claimed atomic.Bool
	cause   error // why gone is closed
}

func newLifetime() *lifetime {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &lifetime{ctx: ctx, cancel: cancel, gone: make(chan struct{})}
}

func (l *lifetime) end(cause error) {
	l.cancel(cause)
	if !answerable(cause) && l.claimed.CompareAndSwap(false, true) {
		l.cause = cause
		close(l.gone)
	}
}

// answerable tells whether what is written can still reach the peer after a context
// has ended for that cause.
func answerable(cause error) bool { return cause == ErrHalfClosed || cause == ErrDraining }

// ended stands for every request that was over before anybody asked.
var ended = func() *lifetime {
	l := newLifetime()
	l.end(ErrRequestDone)
	return l
}()

func (r *Request) lifetime() *lifetime {
	if l := r.life.Load(); l != nil {
		return l
	}
	l := newLifetime()
	if r.life.CompareAndSwap(nil, l) {
		return l
	}
	return r.life.Load()
}

// Context ends when the peer leaves, when the request's deadline passes, when
// the response is complete, when the server stops without waiting, or, that of an
// event stream, when the server is about to stop; the cause (context.Cause) says
// which: ErrPeerGone, ErrHalfClosed, ErrDeadline, ErrRequestDone, ErrDraining. Any
// goroutine.
func (r *Request) Context() context.Context { return r.lifetime().ctx }

// cancel ends the request's context with that cause; nil is ErrRequestDone and
// costs nothing when nobody has asked for the context. Servers call it when the
// peer leaves and when the response is complete. After ErrHalfClosed an answer
// is still sent, and after ErrDraining what an event stream has queued; after any
// other cause nothing can be. Any goroutine; the first cause stays.
func (r *Request) cancel(cause error) {
	if cause == nil {
		cause = ErrRequestDone
	}
	if cause != ErrRequestDone || !r.life.CompareAndSwap(nil, ended) {
		r.lifetime().end(cause)
	}
	if cause != ErrHalfClosed {
		r.endings.End(cause)
	}
}

// isGone tells whether nobody can read an answer any more.
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

// cause is why nobody can read an answer any more, when that is so.
func (r *Request) cause() error {
	l := r.lifetime()
	select {
	case <-l.gone:
		return l.cause
	default:
		return context.Cause(l.ctx)
	}
}
