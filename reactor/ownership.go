//go:build linux

package reactor

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
)

// The ownership word of a Loop says who may touch it:
//
//	          Lend               watchdog: a look
//	owned ───────────▶ lent ◀───────────────────▶ held
//	  ▲  ◀───────────   │
//	  │    Reclaim      │ watchdog: a kill
//	  │    Enter/Leave  ▼
//	  └───────────── fenced
//	    the next engine
//
// Only the owner leaves owned, so that is a store. Leaving lent is a compare-and-swap, which
// decides between the goroutine that comes back and the watchdog. Beside the state the word
// carries a count of sections, one for each stretch of lent code and each stretch between them,
// by which the watchdog tells a long one from many short ones.
const (
	stateOwned  = 0
	stateLent   = 1
	stateFenced = 2 // taken from a goroutine that has not come back
	stateHeld   = 3 // lent, and the watchdog reads what is being run
	stateMask   = 3

	// insideBit: lent code is further up the stack, also while it calls into our API.
	insideBit = 1 << 2
	// nestedBit: and some more lent code above that one.
	nestedBit = 1 << 3
	// hauntedBit: some goroutine that was fenced off has not ended yet, so that being in the
	// state expected is no proof of being the owner.
	hauntedBit   = 1 << 4
	sectionShift = 5
)

type ownership struct {
	word atomic.Uint64
	// goroutine is the number of the goroutine that turns the Loop now.
	goroutine atomic.Uint64

	// What follows belongs to the owner.
	section uint64
	haunts  int // fenced goroutines that have not ended
	lends   []lend
	nested  int // Enter calls that found the Loop owned and were not left yet
}

// lend is one stretch of lent code in progress.
type lend struct {
	conn   *Conn
	what   fmt.Stringer
	nested int // the outer value of ownership.nested
}

func (o *ownership) compose(state uint64) uint64 {
	w := o.section<<sectionShift | state
	if len(o.lends) > 0 {
		w |= insideBit
	}
	if len(o.lends) > 1 {
		w |= nestedBit
	}
	if o.haunts > 0 {
		w |= hauntedBit
	}
	return w
}

// Lend lets code of others run on the loop until Reclaim: owned→lent. c is the connection that it
// runs for, nil if for none; it is the one to be closed if the code does not come back in time.
// what describes the work for the report of a stall, is asked only then, and from another
// goroutine: it must not change meanwhile. Lent code may use the API between Enter and Leave only.
func (l *Loop) Lend(c *Conn, what fmt.Stringer) {
	o := &l.own
	o.lends = append(o.lends, lend{c, what, o.nested})
	o.nested = 0
	o.section++
	l.clock.lent = true
	o.word.Store(o.compose(stateLent))
}

// now is the word as it is for the calling goroutine, which found the Loop lent or owned before: that
// again, or fenced when it has lost the Loop since.
func (o *ownership) now() uint64 {
	w := o.word.Load()
	if w&(hauntedBit|stateFenced) != 0 {
		w = o.proven()
	}
	return w
}

// proven is now where the bits alone do not decide. It waits for the end of a look of the watchdog's.
func (o *ownership) proven() uint64 {
	for {
		w := o.word.Load()
		switch {
		case w&hauntedBit != 0 && !o.here():
			return stateFenced
		case w&stateMask != stateHeld:
			return w
		}
		runtime.Gosched()
	}
}

// Reclaim ends what Lend began: lent→owned. When the watchdog has meanwhile given the Loop to
// another goroutine, Reclaim does not return: it ends the calling goroutine (runtime.Goexit), whose
// deferred functions run but must touch nothing of the Loop.
func (l *Loop) Reclaim() {
	o := &l.own
	for {
		w := o.now()
		if w&stateMask == stateFenced {
			l.leaveFenced()
		}
		if w&stateMask == stateOwned {
			panic("reactor: Reclaim without Lend")
		}
		next := (w>>sectionShift + 1) << sectionShift
		next |= w & hauntedBit
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

// Enter takes the Loop back for one call that lent code makes into an API of the Loop's owner:
// lent→owned until Leave. It is false when the calling goroutine has lost the Loop, or c (may be
// nil) was closed for stalling it: then nothing must be touched, and Leave not called. Enter when
// owned already is true as well, and balanced by its Leave. Only on the loop's goroutine.
func (l *Loop) Enter(c *Conn) bool {
	o := &l.own
	for {
		w := o.now()
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
	if c != nil && c.guilty {
		l.Leave()
		return false
	}
	return true
}

// Leave ends what Enter began. It does nothing on a goroutine that has lost the Loop since, whose
// deferred calls run when Reclaim ends it.
func (l *Loop) Leave() {
	o := &l.own
	if o.now()&stateMask == stateFenced {
		return
	}
	if o.nested > 0 {
		o.nested--
		return
	}
	l.clock.lent = true
	o.word.Store(o.compose(stateLent))
}

// here says whether the caller is the goroutine that turns the Loop. It costs about a microsecond
// and is asked only while some fenced goroutine has not ended.
func (o *ownership) here() bool { return goroutineNumber() == o.goroutine.Load() }

// leaveFenced ends the calling goroutine, which lost the Loop. Its engine tells when that is done.
func (l *Loop) leaveFenced() { runtime.Goexit() }

// regain makes the caller, which has recovered from a panic somewhere below, owner again, or ends
// it when it has lost the Loop.
func (l *Loop) regain() {
	o := &l.own
	for {
		w := o.now()
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

// goroutineNumber reads the number of the calling goroutine from the head of its stack trace, the
// only place where the runtime tells it.
func goroutineNumber() uint64 {
	var buf [64]byte
	head := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	digits, _, _ := bytes.Cut(head, []byte(" "))
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("reactor: cannot read the goroutine's number: " + err.Error())
	}
	return n
}
