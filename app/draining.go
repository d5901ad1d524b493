package app

import "errors"

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
	d := r.endings.notice(r.Loop())
	switch {
	case r.isDraining():
		if r.detach(&d.ending) {
			d.drain()
		}
	case r.isGone():
		if r.detach(&d.ending) {
			d.over(r.cause())
		}
	}
	return d.future()
}

// Drain tells those who have asked that the server is about to stop, and ends an
// event stream. Servers call it for each request that is under way, on the loop, once
// Drainer.Draining is true.
func (r *Request) Drain() {
	for _, who := range r.endings.drainees() {
		who.drain()
	}
}

func (r *Request) isDraining() bool {
	d, ok := r.x.(Drainer)
	return ok && d.Draining()
}

// drainee is an ender that wants to know that the server is about to stop. It is told
// on the loop, once, and then is not in the list any more; nothing of the
// application's runs in it.
type drainee interface {
	ender
	drain()
}

// awaitDrain has who told when the server drains, at once if it does already. On the
// loop.
func (r *Request) awaitDrain(e *ending, who drainee) {
	r.attach(e, who)
	if r.isDraining() && r.detach(e) {
		who.drain()
	}
}

// notice is what Draining waits for, one for all who ask.
type notice struct {
	cell[Done]
	ending ending
}

func (n *notice) drain()           { n.settle(Done{}, nil, nil) }
func (n *notice) over(cause error) { n.settle(Done{}, cause, nil) }

// notice is the one in the list, which is put there if there is none.
func (l *endings) notice(loop Loop) *notice {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first.Load(); e != nil; e = e.next {
		if n, ok := e.who.(*notice); ok {
			return n
		}
	}
	n := &notice{}
	n.loop = loop
	l.add(&n.ending, n)
	return n
}

// drainees takes those who want to know of a drain out of the list. It costs a look
// when there is nothing in it.
func (l *endings) drainees() (all []drainee) {
	if l.first.Load() == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first.Load(); e != nil; {
		next := e.next
		if who, ok := e.who.(drainee); ok {
			l.remove(e)
			all = append(all, who)
		}
		e = next
	}
	return all
}
