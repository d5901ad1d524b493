package app

import "time"

// Sleep returns a future that is ready after d. It needs no goroutine. If r ends before,
// the timer is stopped and the future fails with ErrPeerGone, ErrDeadline, or
// ErrRequestDone when the response is complete or a WebSocket has replaced it, which has a
// Sleep of its own. Loop.After is for timers that have to outlive their request. On the
// loop.
func Sleep(r *Request, d time.Duration) Future[Done] {
	switch {
	case r.isGone():
		return Failed[Done](r.cause())
	case d <= 0:
		return Ready(Done{})
	}
	s := &sleep{}
	s.loop = r.Loop()
	s.bound.init(r, s)
	s.bound.startTimer(d)
	return s.future()
}

type sleep struct {
	cell[Done]
	bound bound
}

// cut implements bounded. The time limit is the result of Sleep, not a failure.
func (s *sleep) cut(cause error, q *queue) {
	if q != nil {
		cause = nil
	}
	s.settle(Done{}, cause, q)
}

// Every calls step at once, and again when d has passed since the future of the last call
// was ready. It ends when a step fails, with its failure, or when r ends, as Sleep does.
// A step that fails with io.EOF ends it without a failure. A panic of step is a failure. On
// the loop.
func Every(r *Request, d time.Duration, step func() Future[Done]) Future[Done] {
	again := func(Done) (bool, error) { return true, nil }
	pause := func(_ Done, err error) Future[bool] {
		if err != nil {
			return more(err)
		}
		return Map(Sleep(r, d), again)
	}
	return While(func() Future[bool] { return After(step(), pause) })
}
