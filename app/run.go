package app

import (
	"fmt"
	"time"
)

// run calls h for r, on r's loop as user code, and is what servers use: the
// future that it returns is settled on r's own loop, whichever loop h's future
// belongs to; a panic, a nil response and a status that is none are failures
// (ErrorResponse says what they look like); and a response that is not there
// when limit has passed since r arrived is ErrDeadline: then the request's
// context ends, and what comes late is closed and dropped. limit 0 is no limit;
// Request.SetTimeout overrides it.
func run(h Handler, r *Request, limit time.Duration) Future[*Response] {
	r.limit = max(limit, 0)
	f := guarded(r, h)
	if f.Ready() {
		return checked(f.Result())
	}
	g := &guard{}
	g.r, g.loop, g.from, g.node.wake = r, r.Loop(), f.cell, g
	if !g.subscribe() {
		return checked(f.Result())
	}
	r.guard = g
	g.arm()
	return g.future()
}

func checked(resp *Response, err error) Future[*Response] {
	switch {
	case err != nil:
		return Failed[*Response](err)
	case resp == nil:
		return Failed[*Response](ErrNoResponse)
	case !isFinal(resp.Status):
		return unfit(resp)
	}
	return Ready(resp)
}

// unfit is the failure of a handler whose response has a status that is none. Closing
// may panic.
func unfit(resp *Response) (f Future[*Response]) {
	defer rescue(&f)
	resp.Close()
	return Failed[*Response](fmt.Errorf("app: the handler answered with the status %d", resp.Status))
}

// guard waits for a handler's response until the request's deadline. The end of the
// request does not end it: a peer that has gone hears of no deadline.
type guard struct {
	wait[*Response]
	r *Request
}

func (g *guard) woken(q *queue) {
	if q.loop == g.loop {
		g.arrive(q)
		return
	}
	q.at(g.loop, g.arrive)
}

func (g *guard) arrive(q *queue) {
	g.bound.stop()
	f := checked(g.from.value, g.from.err)
	if !g.settle(f.value, f.err, q) {
		f.value.Close()
	}
}

func (g *guard) arm() {
	if deadline := g.r.Deadline(); !deadline.IsZero() && !g.r.isGone() {
		g.bound.startTimer(g.r, g, deadline.Sub(g.loop.Now()))
	}
}

// cut implements bounded. The deadline may have been moved since the timer was set.
func (g *guard) cut(cause error, q *queue) {
	if q == nil || g.isSettled() || g.r.limit == 0 {
		return
	}
	if g.loop.Now().Before(g.r.Deadline()) {
		g.arm()
		return
	}
	g.r.cancel(cause)
	g.settle(nil, cause, q)
}

// SetTimeout sets the request's deadline: the response's head must be there
// when d has passed since the request arrived. It overrides the server's
// default, and the last call wins; 0 is no deadline. A stream, once its head is
// out, is not concerned. On the loop.
func (r *Request) SetTimeout(d time.Duration) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.limit = max(d, 0)
	if r.guard != nil {
		r.guard.bound.stop()
		r.guard.arm()
	}
}

// Deadline is when the response's head must be there; zero: never. On the loop.
func (r *Request) Deadline() time.Time {
	if r.limit == 0 {
		return time.Time{}
	}
	return r.Arrived.Add(r.limit)
}
