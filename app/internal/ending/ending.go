// Package ending tells the parts of a request or socket that it has ended, so that
// timers and futures do not outlive it.
package ending

import (
	"sync"
	"sync/atomic"
)

// List holds the listeners of one request or socket. The zero value is empty. Its
// methods may be called by any goroutine.
type List struct {
	mu    sync.Mutex
	first atomic.Pointer[Entry]
}

// Entry is the place of a listener in a list. A listener embeds it.
type Entry struct {
	next, previous *Entry
	listener       Listener // nil: not in a list
}

// Listener is called once when the request or socket ends, unless it is removed
// before, by the goroutine that ends it. It must not run user code.
type Listener interface{ Ended(cause error) }

// DrainListener is also called when the server starts to drain: once, on the loop,
// after which it is no longer in the list. It must not run user code.
type DrainListener interface {
	Listener
	Drain()
}

// HalfCloseListener is also called when the peer closes its sending side: on the goroutine
// that notices it, without leaving the list. It must not run user code.
type HalfCloseListener interface {
	Listener
	HalfClosed()
}

// Push adds a listener.
func (l *List) Push(e *Entry, listener Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.push(e, listener)
}

// push is Push with the list locked.
func (l *List) push(e *Entry, listener Listener) {
	e.listener, e.next = listener, l.first.Load()
	if e.next != nil {
		e.next.previous = e
	}
	l.first.Store(e)
}

// Remove removes a listener and returns it, or nil if it is not in the list.
func (l *List) Remove(e *Entry) Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	listener := e.listener
	if listener != nil {
		l.remove(e)
	}
	return listener
}

// remove is Remove with the list locked and e in it.
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

// End removes and calls all listeners. An empty list costs one atomic load.
func (l *List) End(cause error) {
	for e := l.first.Load(); e != nil; e = l.first.Load() {
		if listener := l.Remove(e); listener != nil {
			listener.Ended(cause)
		}
	}
}

// Empty reports whether the list has no listeners.
func (l *List) Empty() bool { return l.first.Load() == nil }

// FindOrPush returns the listener of type T in the list. If there is none, it adds
// the one that create returns.
func FindOrPush[T Listener](l *List, create func() (*Entry, T)) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first.Load(); e != nil; e = e.next {
		if found, ok := e.listener.(T); ok {
			return found
		}
	}
	e, listener := create()
	l.push(e, listener)
	return listener
}

// Drain removes and calls the listeners that are DrainListeners. An empty list costs
// one atomic load.
func (l *List) Drain() {
	for _, listener := range l.takeDrainListeners() {
		listener.Drain()
	}
}

func (l *List) takeDrainListeners() (all []DrainListener) {
	if l.first.Load() == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.first.Load(); e != nil; {
		next := e.next
		if listener, ok := e.listener.(DrainListener); ok {
			l.remove(e)
			all = append(all, listener)
		}
		e = next
	}
	return all
}

// HalfClose calls the listeners that are HalfCloseListeners. An empty list costs one atomic
// load.
func (l *List) HalfClose() {
	if l.first.Load() == nil {
		return
	}
	l.mu.Lock()
	var all []HalfCloseListener
	for e := l.first.Load(); e != nil; e = e.next {
		if listener, ok := e.listener.(HalfCloseListener); ok {
			all = append(all, listener)
		}
	}
	l.mu.Unlock()
	for _, listener := range all {
		listener.HalfClosed()
	}
}
