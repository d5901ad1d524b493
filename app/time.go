package app

import (
	"time"

	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// Sleep is ready when d has passed. It holds no goroutine: the timer is the
// loop's. When the request is over first, the timer is stopped and Sleep fails at
// once: with ErrPeerGone, with ErrDeadline, or with ErrRequestDone when the
// response is complete or, behind an upgrade, a WebSocket has taken its place, which
// has a Sleep of its own. What is to outlast its request is for Loop.After. On the
// loop.
func Sleep(r *Request, d time.Duration) Future[Done] {
	switch {
	case r.isGone():
		return Failed[Done](r.cause())
	case d <= 0:
		return Ready(Done{})
	}
	s := newSleep(r.Loop(), d, &r.endings)
	if !r.attach(&s.ending, s) {
		s.Over(r.cause())
	}
	return s.future()
}

type sleep struct {
	cell[Done]
	ending ending.Entry
	of     *ending.List
	timer  Timer
}

func newSleep(loop Loop, d time.Duration, of *ending.List) *sleep {
	s := &sleep{of: of}
	s.loop = loop
	s.timer = loop.After(d, s.wake)
	return s
}

// wake is a task of the loop.
func (s *sleep) wake() {
	s.of.Take(&s.ending)
	s.settleHere(Done{}, nil)
}

func (s *sleep) Over(cause error) {
	s.timer.Stop()
	s.settle(Done{}, cause, nil)
}

// Timeout is f, or ErrDeadline when f is not ready after d. It fails as Sleep does
// when the request is over before that. A result that comes later is dropped. On
// the loop.
func Timeout[T any](r *Request, d time.Duration, f Future[T]) Future[T] {
	if f.Ready() {
		return f
	}
	t := &timeout[T]{r: r, from: f.cell}
	t.loop, t.node.wake = r.Loop(), t
	t.node.far = t.loop != f.cell.loop
	if !f.cell.subscribe(&t.node) {
		return f
	}
	if r.isGone() {
		t.end(r.cause(), nil)
		return t.future()
	}
	t.timer = t.loop.After(d, t.expire)
	if !r.attach(&t.ending, t) {
		t.Over(r.cause())
	}
	return t.future()
}

type timeout[T any] struct {
	cell[T]
	node   node
	ending ending.Entry
	from   *cell[T]
	r      *Request
	timer  Timer
}

func (t *timeout[T]) woken(q *queue) {
	if q.loop == t.loop {
		t.finish(q)
		return
	}
	q.at(t.loop, t.finish)
}

func (t *timeout[T]) finish(q *queue) {
	if t.r.detach(&t.ending) {
		t.timer.Stop()
	}
	if !t.settle(t.from.value, t.from.err, q) {
		drop(t.from.value)
	}
}

// expire is a task of the loop.
func (t *timeout[T]) expire() {
	t.r.detach(&t.ending)
	q := queue{loop: t.loop}
	t.end(ErrDeadline, &q)
	q.run()
}

func (t *timeout[T]) Over(cause error) {
	t.timer.Stop()
	t.end(cause, nil)
}

// end stops waiting.
func (t *timeout[T]) end(err error, q *queue) {
	var zero T
	if t.settle(zero, err, q) {
		abandon(t.from, &t.node)
	}
}
