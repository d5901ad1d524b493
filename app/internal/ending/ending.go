// Package ending keeps what a request or a socket has begun that is of no use once it
// is over: timers above all, which would hold it for as long as they run.
package ending

import (
	"sync"
	"sync/atomic"
)

// List is what is to be told of an end. The zero value is empty. Any goroutine.
type List struct {
	mu    sync.Mutex
	first atomic.Pointer[Entry]
}

// Entry is a place in a list, part of what ends.
type Entry struct {
	next, previous *Entry
	who            Ender // nil: not in the list
}

// Ender is told once that its request or socket is over, unless it has been taken out
// of the list. That happens in whatever goroutine ends the request, so it runs nothing
// of the application's.
type Ender interface{ Over(cause error) }

// Drainee is an Ender that wants to know that the server is about to stop. It is told
// on the loop, once, and then is not in the list any more; nothing of the
// application's runs in it.
type Drainee interface {
	Ender
	Drain()
}

// Push puts who into the list.
func (l *List) Push(e *Entry, who Ender) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(e, who)
}

// add is Push with the list locked.
func (l *List) add(e *Entry, who Ender) {
	e.who, e.next = who, l.first.Load()
	if e.next != nil {
		e.next.previous = e
	}
	l.first.Store(e)
}

// Take takes e out of the list, and gives what it stands for; nil for what is not
// there.
func (l *List) Take(e *Entry) Ender {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := e.who
	if who != nil {
		l.remove(e)
	}
	return who
}

// remove takes e out of the list, which is locked.
func (l *List) remove(e *Entry) {
	if e.previous == nil {
		l.first.Store(e.next)
	} else {
		e.previous.next = e.next
	}
	if e.next != nil {
		e.next.previous = e.previous
	}
	*e = Entry{}
}

// End empties the list. It costs a look when there is nothing in it.
func (l *List) End(cause error) {
	for e := l.first.Load(); e != nil; e = l.first.Load() {
		if who := l.Take(e); who != nil {
			who.Over(cause)
		}
	}
}

// Empty tells whether nothing is in the list.
func (l *List) Empty() bool { return l.first.Load() == nil }

// FindOrPush is the one in the list that is a T, else what grow makes, which is put
// there.
func FindOrPush[T Ender](l *List, grow func() (*Entry, T)) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first.Load(); e != nil; e = e.next {
		if found, ok := e.who.(T); ok {
			return found
		}
	}
	e, who := grow()
	l.add(e, who)
	return who
}

// Drain takes those who want to know of a drain out of the list, and tells them. It
// costs a look when there is nothing in it.
func (l *List) Drain() {
	for _, who := range l.drainees() {
		who.Drain()
	}
}

func (l *List) drainees() (all []Drainee) {
	if l.first.Load() == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first.Load(); e != nil; {
		next := e.next
		if who, ok := e.who.(Drainee); ok {
			l.remove(e)
			all = append(all, who)
		}
		e = next
	}
	return all
}
