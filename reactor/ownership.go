//go:build linux

package reactor

import (
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/internal/goroutine"
)

// The ownership word of a Loop decides who may touch it:
//
//	          Lend               watchdog: a look
//	owned ───────────▶ lent ◀───────────────────▶ held
//	  ▲  ◀───────────   │
//	  │    Reclaim      │ watchdog: a kill
//	  │    Enter/Leave  ▼
//	  └───────────── fenced
//	    takeOver
//
// Only the owner leaves owned, so that is a store. Leaving lent is a compare-and-swap, which decides
// between the goroutine that comes back and the watchdog. Besides the state, the word carries a count of
// sections, one for each stretch of lent code and each stretch between two of them, so that the watchdog
// can tell a long section from many short ones.
const (
	stateOwned  = 0
	stateLent   = 1
	stateFenced = 2 // taken from a goroutine that still runs lent code
	stateHeld   = 3 // lent, while the watchdog reads ownership.lends
	stateMask   = 3

	// insideBit is set while lent code is on the stack, also while it calls into our API.
	insideBit = 1 << 2
	// nestedBit is set while two stretches of lent code or more are on the stack.
	nestedBit = 1 << 3
	// orphanBit is set while an orphan runs: then the expected state does not prove that the caller is the
	// owner.
	orphanBit    = 1 << 4
	sectionShift = 5
)

type ownership struct {
	word atomic.Uint64
	// goroutine is the number of the goroutine that turns the Loop; 0: none does.
	goroutine atomic.Uint64
	// self is goroutine.Self of that goroutine; 0: none turns the Loop.
	self atomic.Uintptr

	// The following fields belong to the owner.
	section uint64
	orphans int // fenced goroutines that have not ended
	lends   []lend
	nested  int // Enter calls that found the Loop owned and were not left yet
}

// lend is one stretch of lent code in progress.
type lend struct {
	conn    *Conn
	subject *Subject
	nested  int // the outer value of ownership.nested
}

func (o *ownership) compose(state uint64) uint64 {
	w := o.section<<sectionShift | state
	if len(o.lends) > 0 {
		w |= insideBit
	}
	if len(o.lends) > 1 {
		w |= nestedBit
	}
	if o.orphans > 0 {
		w |= orphanBit
	}
	return w
}

// Lend lets user code run on the loop until Reclaim: owned→lent. c is the connection to blame, one of this
// Loop's, which is closed if the code exceeds Config.StallTimeout; nil: none. It need not be the one whose session calls
// Lend: if code of one connection's request waits for another connection, pass the connection of the request,
// but a session that is interrupted in the middle of a call is closed as well. subject names the work
// of the code in the report of a stall; it may be nil. Lent code may use the API between Enter and Leave
// only. On the loop, owned.
func (l *Loop) Lend(c *Conn, subject *Subject) {
	o := &l.own
	o.lends = append(o.lends, lend{c, subject, o.nested})
	o.nested = 0
	o.section++
	l.clock.lent = true
	o.word.Store(o.compose(stateLent))
}

// current returns the ownership word as seen by the caller, which has found the Loop lent or owned before:
// stateFenced if the Loop was taken over since.
func (o *ownership) current() uint64 {
	w := o.word.Load()
	if w&(orphanBit|stateFenced) != 0 {
		w = o.resolve()
	}
	return w
}

// resolve is current for a word whose bits do not prove who the owner is. It waits while the watchdog holds the word.
func (o *ownership) resolve() uint64 {
	for {
		w := o.word.Load()
		switch {
		case w&orphanBit != 0 && !o.here():
			return stateFenced
		case w&stateMask != stateHeld:
			return w
		}
		runtime.Gosched()
	}
}

// Reclaim ends what Lend began: lent→owned. If the Loop was taken over meanwhile, Reclaim does not return:
// it ends the calling goroutine (runtime.Goexit), whose deferred functions run but must touch nothing of
// the Loop.
func (l *Loop) Reclaim() {
	o := &l.own
	for {
		w := o.current()
		if w&stateMask == stateFenced {
			l.leaveFenced()
		}
		if w&stateMask == stateOwned {
			panic("reactor: Reclaim without Lend")
		}
		next := (w>>sectionShift + 1) << sectionShift
		next |= w & orphanBit
		if w&nestedBit != 0 {
			next |= insideBit
		}
		if o.word.CompareAndSwap(w, next) {
			break
		}
	}
	o.section++
	last := len(o.lends) - 1
	o.nested = o.lends[last].nested
	o.lends[last] = lend{}
	o.lends = o.lends[:last]
}

// Enter takes the Loop back for one call that lent code makes into an API of the Loop's owner: lent→owned
// until Leave. It reports false if the calling goroutine has lost the Loop, or c (which may be nil) was
// closed for stalling it: then nothing must be touched, and Leave not called. Enter also succeeds when
// owned already, and is balanced by its Leave. Only on the loop's goroutine.
func (l *Loop) Enter(c *Conn) bool {
	o := &l.own
	for {
		w := o.current()
		if w&stateMask == stateFenced {
			return false
		}
		if w&stateMask == stateOwned {
			o.nested++
			break
		}
		if o.word.CompareAndSwap(w, w&^stateMask|stateOwned) {
			break
		}
	}
	if c != nil && c.blamed {
		l.Leave()
		return false
	}
	return true
}

// Leave ends what Enter began. It does nothing on a goroutine that has lost the Loop since, whose deferred
// calls run when Reclaim ends it.
func (l *Loop) Leave() {
	o := &l.own
	if o.current()&stateMask == stateFenced {
		return
	}
	if o.nested > 0 {
		o.nested--
		return
	}
	l.clock.lent = true
	o.word.Store(o.compose(stateLent))
}

// OnLoop reports whether the caller is the goroutine that turns the Loop. Any goroutine.
func (l *Loop) OnLoop() bool { return l.own.self.Load() == goroutine.Self() }

// here reports whether the caller is the goroutine that turns the Loop. It costs microseconds and is asked only
// while an orphan runs.
func (o *ownership) here() bool { return goroutine.Number() == o.goroutine.Load() }

// leaveFenced ends the calling goroutine, which has lost the Loop. Engine.Done is closed afterwards.
func (l *Loop) leaveFenced() { runtime.Goexit() }

// regain makes the caller, which has recovered from a panic further down its stack, owner again, or ends
// it if it has lost the Loop.
func (l *Loop) regain() {
	o := &l.own
	for {
		w := o.current()
		if w&stateMask == stateFenced {
			l.leaveFenced()
		}
		if w&stateMask == stateOwned || o.word.CompareAndSwap(w, w&^stateMask|stateOwned) {
			break
		}
	}
	o.forget()
	o.word.Store(o.compose(stateOwned))
}

// forget drops the stretches of lent code that were in progress.
func (o *ownership) forget() {
	clear(o.lends)
	o.lends = o.lends[:0]
	o.nested = 0
	o.section++
}

// errGoroutineNumber refuses a Go runtime in which an orphan could not be told from the owner.
var errGoroutineNumber = errors.New("reactor: stack traces of this version of Go do not begin with \"goroutine NUMBER [\"")
