package app

import (
	"fmt"
	"time"
)

// run implements spi.Run.
func run(h Handler, r *Request, limit time.Duration) Future[*Response] {
	r.limit = max(limit, 0)
	f := guarded(r, h)
	if f.Ready() {
		return checked(f.Result())
	}
	w := &headWait{}
	w.r, w.loop, w.from, w.node.wake = r, r.Loop(), f.cell, w
	if !w.subscribe() {
		return checked(f.Result())
	}
	r.head = w
	w.arm()
	return w.future()
}

func checked(resp *Response, err error) Future[*Response] {
	switch {
	case err != nil:
		return Failed[*Response](err)
	case resp == nil:
		return Failed[*Response](ErrNoResponse)
	case !isFinal(resp.Status):
		return invalidStatus(resp)
	}
	return Ready(resp)
}

// invalidStatus closes a response whose status is not final, and fails. Closing may
// panic.
func invalidStatus(resp *Response) (f Future[*Response]) {
	defer rescue(&f)
	resp.Close()
	return Failed[*Response](fmt.Errorf("app: the handler answered with the status %d", resp.Status))
}

// headWait waits for the response of a handler until the request's deadline. The end
// of the request does not end it, since no peer is left to be answered.
type headWait struct {
	wait[*Response]
	r *Request
}

func (w *headWait) woken(q *queue) {
	if q.loop == w.loop {
		w.arrive(q)
		return
	}
	q.at(w.loop, w.arrive)
}

func (w *headWait) arrive(q *queue) {
	w.bound.stop()
	f := checked(w.from.value, w.from.err)
	if !w.settle(f.value, f.err, q) {
		f.value.Close()
	}
}

func (w *headWait) arm() {
	if deadline := w.r.Deadline(); !deadline.IsZero() && !w.r.isGone() {
		w.bound.startTimer(w.r, w, deadline.Sub(w.loop.Now()))
	}
}

// cut implements bounded. The deadline may have changed since the timer was set.
func (w *headWait) cut(cause error, q *queue) {
	if q == nil || w.isSettled() || w.r.limit == 0 {
		return
	}
	if w.loop.Now().Before(w.r.Deadline()) {
		w.arm()
		return
	}
	w.r.cancel(cause)
	w.settle(nil, cause, q)
}

// SetTimeout sets the deadline to d after the request's arrival, in place of the
// server's default; 0 is no deadline. If the response's head is not ready by then, the
// answer is 503. The deadline does not concern the content of a stream. On the loop.
func (r *Request) SetTimeout(d time.Duration) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.limit = max(d, 0)
	if r.head != nil {
		r.head.bound.stop()
		r.head.arm()
	}
}

// Deadline returns the time by which the head of the response must be ready; the zero
// time if there is no deadline. On the loop.
func (r *Request) Deadline() time.Time {
	if r.limit == 0 {
		return time.Time{}
	}
	return r.Arrived.Add(r.limit)
}
