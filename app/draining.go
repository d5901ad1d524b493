package app

import (
	"errors"

	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// ErrDraining is the failure of what ends because the server is about to stop, or an
// HTTP/2 connection has reached its age: of what an event stream still waits for,
// above all. Handlers may fail with it, too: as a response it is 503.
var ErrDraining = errors.New("app: the server is about to stop")

// Draining is ready as soon as the server is about to stop, or the request's HTTP/2
// connection has reached its age. Nothing is taken away: the request may still be
// answered, and a stream is sent to its end, within the time that the server gives
// itself. It is for those who wait, or send, for long, and can end sooner; event
// streams and WebSockets are ended without it. It fails as Sleep does when the
// request is over first. Whoever asks again gets the same. Any goroutine.
func (r *Request) Draining() Future[Done] {
	if r.isDraining() {
		return Ready(Done{})
	}
	d := ending.FindOrPush(&r.endings, func() (*ending.Entry, *notice) {
		n := &notice{}
		n.loop = r.Loop()
		return &n.ending, n
	})
	switch {
	case r.isDraining():
		if r.detach(&d.ending) {
			d.Drain()
		}
	case r.isGone():
		if r.detach(&d.ending) {
			d.Over(r.cause())
		}
	}
	return d.future()
}

// drain tells those who have asked that the server is about to stop, and ends an
// event stream. Servers call it for each request that is under way, on the loop, once
// spi.Drainer's Draining is true.
func (r *Request) drain() { r.endings.Drain() }

func (r *Request) isDraining() bool {
	d, ok := r.x.(drainer)
	return ok && d.Draining()
}

// attach has who told when the request is over. It is false when it is over
// already and who is not going to hear of it.
func (r *Request) attach(e *ending.Entry, who ending.Ender) bool {
	r.endings.Push(e, who)
	// cancel marks the request first and looks into the list then.
	return !r.isGone() || !r.detach(e)
}

// detach is false when who is not in the list, or not any more: then it has been
// told, or is just being told, that the request is over.
func (r *Request) detach(e *ending.Entry) bool { return r.endings.Take(e) != nil }

// awaitDrain has who told when the server drains, at once if it does already. On the
// loop.
func (r *Request) awaitDrain(e *ending.Entry, who ending.Drainee) {
	r.attach(e, who)
	if r.isDraining() && r.detach(e) {
		who.Drain()
	}
}

// notice is what Draining waits for, one for all who ask.
type notice struct {
	cell[Done]
	ending ending.Entry
}

// Drain implements ending.Drainee.
func (n *notice) Drain() { n.settle(Done{}, nil, nil) }

// Over implements ending.Ender.
func (n *notice) Over(cause error) { n.settle(Done{}, cause, nil) }
