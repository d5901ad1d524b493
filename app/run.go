package app

import (
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// run implements spi.Run.
func run(h Handler, r *Request, limit time.Duration) Answer {
	f, w := start(h, r, limit, nil)
	if w == nil {
		return f
	}
	return w.future()
}

// answerer is spi.Answerer.
type answerer = interface {
	Answered(resp *Response, err error)
}

// runFor implements spi.RunFor.
func runFor(h Handler, r *Request, limit time.Duration, a answerer) (f Answer, pending bool) {
	f, w := start(h, r, limit, a)
	return f, w != nil
}

// start calls h. If its future is pending, start returns the wait for it, which tells a if
// that is not nil; else the future, which is checked.
func start(h Handler, r *Request, limit time.Duration, a answerer) (Answer, *headWait) {
	r.limit = max(limit, 0)
	f := guarded(r, h)
	if f.Ready() {
		return checked(f.Result()), nil
	}
	w := &headWait{answerer: a}
	w.r, w.loop, w.from, w.node.wake = r, r.Loop(), f.cell, w
	w.bound.init(r, w)
	if !w.subscribe() {
		return checked(f.Result()), nil
	}
	r.head = w
	w.arm()
	return f, w
}

func checked(resp *Response, err error) Answer {
	switch {
	case err != nil:
		return Fail(err)
	case resp == nil:
		return Fail(ErrNoResponse)
	case !isFinal(resp.Status) && !(resp.anyStatus && resp.Status >= 600 && resp.Status <= 999):
		return invalidStatus(resp)
	}
	return Ready(resp)
}

// invalidStatus closes a response whose status is not final, and fails. Closing may
// panic.
func invalidStatus(resp *Response) (f Answer) {
	defer rescue(&f)
	resp.Close()
	return Fail(fmt.Errorf("app: the handler answered with the status %d", resp.Status))
}

// headWait waits for the response of a handler until the request's deadline. The end
// of the request does not end it, since no peer is left to be answered.
type headWait struct {
	wait[*Response]
	r        *Request
	answerer answerer // nil: the cell has the result
	waits    bool     // the timer was set while the handler waited for content
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
	if !w.answer(f.value, f.err, q) {
		f.value.Close()
		w.from.dropped()
	}
}

// answer sets the result. It reports false if there is one already.
func (w *headWait) answer(resp *Response, err error, q *queue) bool {
	if w.answerer == nil {
		return w.settle(resp, err, q)
	}
	if !w.settle(nil, nil, nil) {
		return false
	}
	w.answerer.Answered(resp, err)
	return true
}

func (w *headWait) arm() {
	if w.r.limit == 0 || w.r.isGone() {
		return
	}
	// The deadline changes with the clock while the handler waits for content.
	at := w.r.Deadline()
	wait := w.r.Body.waiting()
	if w.waits = wait != nil; w.waits {
		at = w.r.Arrived.Add(moment.After(w.r.limit, wait.most(w.r.limit)))
	}
	w.bound.startTimer(at.Sub(w.loop.Now()))
}

func (w *headWait) rearm() {
	w.bound.stop()
	w.arm()
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
	w.answer(nil, cause, q)
}

// SetTimeout sets the deadline to d after the request's arrival, in place of the
// server's default; 0 is no deadline. Waiting for content that arrives moves it, see
// Deadline. If the head of the response is not ready by then, the answer is 503. The
// deadline does not concern the content of a stream. On the loop.
func (r *Request) SetTimeout(d time.Duration) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.limit = max(d, 0)
	if r.head != nil {
		r.head.rearm()
	}
}

// Deadline returns the time by which the head of the response must be ready; the zero
// time if there is no deadline. Time in which the handler waits for content of the
// request does not count once some has arrived, as long as 500 bytes a second arrive
// on average; of slower content, as much time is added as the timeout is long. On the
// loop.
func (r *Request) Deadline() time.Time {
	if r.limit == 0 {
		return time.Time{}
	}
	added := time.Duration(0)
	if reads := r.Body.began.Load(); reads != nil {
		added = min(reads.wait.Time(r.age()), reads.wait.most(r.limit))
	}
	return r.Arrived.Add(moment.After(r.limit, added))
}

// age returns how long ago the request arrived.
func (r *Request) age() time.Duration { return r.Loop().Now().Sub(r.Arrived) }
