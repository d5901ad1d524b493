package app

import (
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app/internal/ending"
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
	g := &guard{r: r}
	g.loop, g.from, g.node.wake = r.Loop(), f.cell, g
	g.node.far = g.loop != f.cell.loop
	if !f.cell.subscribe(&g.node) {
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

// guard is a response that is waited for, and its deadline.
type guard struct {
	cell[*Response]
	node   node
	ending ending.Entry // in the request's list while the timer runs
	from   *cell[*Response]
	r      *Request
	timer  Timer
}

func (g *guard) woken(q *queue) {
	if q.loop == g.loop {
		g.finish(q)
		return
	}
	q.at(g.loop, g.finish)
}

func (g *guard) finish(q *queue) {
	g.disarm()
	f := checked(g.from.value, g.from.err)
	if !g.settle(f.value, f.err, q) {
		f.value.Close()
	}
}

func (g *guard) arm() {
	deadline := g.r.Deadline()
	if deadline.IsZero() || g.r.isGone() {
		return
	}
	g.timer = g.loop.After(deadline.Sub(g.loop.Now()), g.expire)
	if !g.r.attach(&g.ending, g) {
		g.timer.Stop()
	}
}

func (g *guard) disarm() {
	if g.r.detach(&g.ending) {
		g.timer.Stop()
	}
}

// Over implements ending.Ender: a deadline says nothing to a peer that has gone.
func (g *guard) Over(error) { g.timer.Stop() }

// expire is a task of the loop. A timer that was stopped too late to keep it
// from running finds the cell settled, or the deadline moved.
func (g *guard) expire() {
	if g.isSettled() || g.r.limit == 0 {
		return
	}
	g.disarm()
	if g.loop.Now().Before(g.r.Deadline()) {
		g.arm()
		return
	}
	g.r.cancel(ErrDeadline)
	q := queue{loop: g.loop}
	g.settle(nil, ErrDeadline, &q)
	q.run()
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
		r.guard.disarm()
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
