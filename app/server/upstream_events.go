//go:build linux

package server

// events are the calls and connections to other servers that have news for their owners. They notify them in a
// task of the turn, not where it happens: code that follows may then call any method of a connection, and a stall of it
// interrupts no connection in the middle of its input. They belong to the loop.
type events struct {
	waiting []notifier
	next    int      // the first in waiting that has not run
	current notifier // whose notify is running; nil: none
	posted  bool     // a task is posted
	run     func()   // loop.notify
}

// notifier is a call or a connection to another server. On the loop, owned.
type notifier interface {
	// notify calls the methods of the owner that are due. It may not return: an owner may run user code from which
	// the loop is taken.
	notify()
	// interrupted is called in the next turn after a notify that has not returned.
	interrupted()
}

// notifierState is the state of a notifier. It is embedded by value.
type notifierState struct {
	queued bool // in events.waiting
	active bool // notify is running
}

// announce has t.notify called, unless it will be anyway. state is the one of t.
func (l *loop) announce(t notifier, state *notifierState) {
	if state.queued || state.active {
		return
	}
	state.queued = true
	l.events.add(t)
	l.postNotify()
}

// add appends t to those that wait.
func (e *events) add(t notifier) {
	if e.next > eventsKept && e.next > len(e.waiting)/2 {
		left := copy(e.waiting, e.waiting[e.next:])
		clear(e.waiting[left:])
		e.waiting, e.next = e.waiting[:left], 0
	}
	e.waiting = append(e.waiting, t)
}

// postNotify posts notify, once.
func (l *loop) postNotify() {
	if !l.events.posted {
		l.events.posted = true
		l.r.Post(l.events.run)
	}
}

// notify has calls and connections notify their owners, within the budget of the turn.
func (l *loop) notify() {
	e := &l.events
	e.posted = false
	for e.next < len(e.waiting) {
		t := e.waiting[e.next]
		e.waiting[e.next] = nil
		e.next++
		e.current = t
		t.notify()
		e.current = nil
		if l.r.Charge(unitsPerCall); e.next < len(e.waiting) && l.r.Spent() {
			l.postNotify()
			return
		}
	}
	e.next = 0
	if cap(e.waiting) > eventsKept {
		e.waiting = nil
	}
	e.waiting = e.waiting[:0]
}

// eventsKept is the capacity up to which a loop keeps its empty list of events, and the number of past ones from which on
// it moves the others down.
const eventsKept = 4096

// renewEvents continues notify after user code in it has kept the loop.
func (l *loop) renewEvents() {
	e := &l.events
	if t := e.current; t != nil {
		e.current = nil
		t.interrupted()
	}
	e.posted = false
	if e.next < len(e.waiting) {
		l.postNotify()
	}
}
