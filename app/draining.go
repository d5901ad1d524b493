package app

import (
	"errors"

	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// ErrDraining reports that the server is draining, or that an HTTP/2 connection has
// reached its maximum age. Event streams and what they wait for fail with it.
// Handlers may fail with it; as a response it is 503.
var ErrDraining = errors.New("app: the server is draining")

// Draining returns a future that is ready as soon as the server drains, or the
// request's HTTP/2 connection reaches its maximum age. Handlers that wait or send
// for long can use it to end early; they need not, and event streams and WebSockets
// end without it. The future fails as Sleep does if the request ends first. All
// calls return the same future. Any goroutine.
func (r *Request) Draining() Future[Done] {
	if r.isDraining() {
		return Ready(Done{})
	}
	d := ending.FindOrPush(&r.endings, func() (*ending.Entry, *drainNotice) {
		n := &drainNotice{}
		n.loop = r.Loop()
		return &n.entry, n
	})
	switch {
	case r.isDraining():
		if r.detach(&d.entry) {
			d.Drain()
		}
	case r.isGone():
		if r.detach(&d.entry) {
			d.Ended(r.cause())
		}
	}
	return d.future()
}

// drain implements spi.Drain.
func (r *Request) drain() { r.endings.Drain() }

func (r *Request) isDraining() bool {
	d, ok := r.exchange.(drainer)
	return ok && d.Draining()
}

// awaitDrain adds a listener for the drain and the end of the request. It calls the
// listener at once if the server is draining. On the loop.
func (r *Request) awaitDrain(e *ending.Entry, listener ending.DrainListener) {
	r.attach(e, listener)
	if r.isDraining() && r.detach(e) {
		listener.Drain()
	}
}

// drainNotice completes the future of Draining.
type drainNotice struct {
	cell[Done]
	entry ending.Entry
}

// Drain implements ending.DrainListener.
func (n *drainNotice) Drain() { n.settle(Done{}, nil, nil) }

// Ended implements ending.Listener.
func (n *drainNotice) Ended(cause error) { n.settle(Done{}, cause, nil) }
