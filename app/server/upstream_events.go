//go:build linux

package server

// events are the calls and connections to other servers that have something to tell their owners. They are told in a
// task of the turn, not where it happens: code that follows may then call any method of a connection, and a stall of it
// interrupts no connection in the middle of its input. They belong to the loop.
type events struct {
	waiting []teller
	next    int    // the first in waiting that was not told
	current teller // whose tell is running; nil: none
	posted  bool   // a task is posted
	run     func() // loop.tell
}

// teller is a call or a connection to another server. On the loop, owned.
type teller interface {
	// tell calls the methods of the owner that are due. It may not return: an owner may run user code from which
	// the loop is taken.
	tell()
	// interrupted is called in the next turn after a tell that has not returned.
	interrupted()
}

// telling is the state of a teller. It is embedded by value.
type telling struct {
	queued bool // in events.waiting
	active bool // tell is running
}

// announce has t.tell called, unless it will be anyway. state is the one of t.
func (l *loop) announce(t teller, state *telling) {
	if state.queued || state.active {
		return
	}
	state.queued = true
	l.events.add(t)
	l.postTell()
}

// add appends t to those that wait.
func (e *events) add(t teller) {
	if e.next > eventsKept && e.next > len(e.waiting)/2 {
		left := copy(e.waiting, e.waiting[e.next:])
		clear(e.waiting[left:])
		e.waiting, e.next = e.waiting[:left], 0
	}
	e.waiting = append(e.waiting, t)
}

// postTell posts tell, once.
func (l *loop) postTell() {
	if !l.events.posted {
		l.events.posted = true
		l.r.Post(l.events.run)
	}
}

// tell has calls and connections tell their owners, within the budget of the turn.
func (l *loop) tell() {
	e := &l.events
	e.posted = false
	for e.next < len(e.waiting) {
		t := e.waiting[e.next]
		e.waiting[e.next] = nil
		e.next++
		e.current = t
		t.tell()
		e.current = nil
		if l.r.Charge(unitsPerCall); e.next < len(e.waiting) && l.r.Spent() {
			l.postTell()
			return
		}
	}
	e.next = 0
	if cap(e.waiting) > eventsKept {
		e.waiting = nil
	}
	e.waiting = e.waiting[:0]
}

// eventsKept is the capacity up to which a loop keeps its empty list of events, and the number of told ones from which on
// it moves the others down.
const eventsKept = 4096

// renewEvents continues tell after user code in it has kept the loop.
func (l *loop) renewEvents() {
	e := &l.events
	if t := e.current; t != nil {
		e.current = nil
		t.interrupted()
	}
	e.posted = false
	if e.next < len(e.waiting) {
		l.postTell()
	}
}
