package app

import (
	"sync"
	"sync/atomic"
)

// endings are what a request or a socket has begun that is of no use once it is
// over: timers above all, which would hold it for as long as they run. Any goroutine.
type endings struct {
	mu    sync.Mutex
	first atomic.Pointer[ending]
}

// ending is a place in that list, part of what ends.
type ending struct {
	next, previous *ending
	who            ender // nil: not in the list
}

// ender is told once that its request or socket is over, unless it has been
// detached. That happens in whatever goroutine ends the request, so it runs nothing
// of the application's.
type ender interface{ over(cause error) }

// attach has who told when the request is over. It is false when it is over
// already and who is not going to hear of it.
func (r *Request) attach(e *ending, who ender) bool {
	r.endings.push(e, who)
	// Cancel marks the request first and looks into the list then.
	return !r.isGone() || !r.detach(e)
}

// detach is false when who is not in the list, or not any more: then it has been
// told, or is just being told, that the request is over.
func (r *Request) detach(e *ending) bool { return r.endings.take(e) != nil }

func (l *endings) push(e *ending, who ender) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(e, who)
}

// add is push with the list locked.
func (l *endings) add(e *ending, who ender) {
	e.who, e.next = who, l.first.Load()
	if e.next != nil {
		e.next.previous = e
	}
	l.first.Store(e)
}

// take takes e out of the list, and gives what it stands for; nil for what is not
// there.
func (l *endings) take(e *ending) ender {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := e.who
	if who != nil {
		l.remove(e)
	}
	return who
}

// remove takes e out of the list, which is locked.
func (l *endings) remove(e *ending) {
	if e.previous == nil {
		l.first.Store(e.next)
	} else {
		e.previous.next = e.next
	}
	if e.next != nil {
		e.next.previous = e.previous
	}
	*e = ending{}
}

// end empties the list. It costs a look when there is nothing in it.
func (l *endings) end(cause error) {
	for e := l.first.Load(); e != nil; e = l.first.Load() {
		if who := l.take(e); who != nil {
			who.over(cause)
		}
	}
}
