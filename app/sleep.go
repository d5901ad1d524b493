package app

import "time"

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
	s := &sleep{}
	s.loop = r.Loop()
	s.bound.startTimer(r, s, d)
	return s.future()
}

type sleep struct {
	cell[Done]
	bound bound
}

// cut implements bounded: the end of the time is what Sleep waits for.
func (s *sleep) cut(cause error, q *queue) {
	if q != nil {
		cause = nil
	}
	s.settle(Done{}, cause, q)
}
