//go:build linux

package reactor

import (
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/internal/goroutine"
)

// actor is a goroutine that does one thing at a time, when the test says so.
type actor struct {
	steps chan func()
	done  chan struct{} // after each step; closed when the goroutine has ended
}

func newActor() *actor {
	a := &actor{steps: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for step := range a.steps {
			step()
			a.done <- struct{}{}
		}
	}()
	return a
}

// do has the actor take a step, and reports whether its goroutine has survived that.
func (a *actor) do(step func()) bool {
	a.steps <- step
	_, alive := <-a.done
	return alive
}

// move is one call of an owner, and the state in which it leaves the Loop.
type move struct {
	name  string
	do    func(l *Loop) (entered bool)
	state uint64
}

var (
	lends    = move{"Lend", func(l *Loop) bool { l.Lend(nil, nil); return true }, stateLent}
	enters   = move{"Enter", func(l *Loop) bool { return l.Enter(nil) }, stateOwned}
	leaves   = move{"Leave", func(l *Loop) bool { l.Leave(); return true }, stateLent}
	nests    = move{"Leave", func(l *Loop) bool { l.Leave(); return true }, stateOwned}
	reclaims = move{"Reclaim", func(l *Loop) bool { l.Reclaim(); return true }, stateOwned}
)

// plays are what owners do: calls, calls within calls, and lent code within calls of lent code.
var plays = [][]move{
	{lends, reclaims},
	{lends, enters, leaves, reclaims},
	{lends, enters, enters, nests, leaves, enters, leaves, reclaims},
	{lends, enters, lends, enters, leaves, reclaims, leaves, reclaims},
}

// interleavings calls visit for every order of n things of one kind and m of another, as a list of whether it
// is the first kind's turn.
func interleavings(n, m int, order []bool, visit func([]bool)) {
	if n == 0 && m == 0 {
		visit(order)
		return
	}
	if n > 0 {
		interleavings(n-1, m, append(order, true), visit)
	}
	if m > 0 {
		interleavings(n, m-1, append(order, false), visit)
	}
}

// An owner loses the Loop at each point at which that is possible, and goes on while the next owner runs, in every
// order of their calls: all of its calls are refused or do nothing, its Reclaim ends it, and the next owner does not
// notice. While the watchdog holds the word nothing else changes it.
func TestEveryInterleavingOfOwners(t *testing.T) {
	l := bare(t)
	cases := 0
	for _, old := range plays {
		for kill := range old {
			if old[kill].state != stateLent {
				continue
			}
			for _, next := range plays {
				left := refused(old[kill+1:])
				interleavings(len(left), len(next), nil, func(order []bool) {
					cases++
					name := fmt.Sprintf("killed after %d of %d calls, order %v", kill+1, len(old), order)
					playOwners(t, l, name, old, kill, next, order)
				})
			}
		}
	}
	t.Logf("%d interleavings", cases)
}

// refused is what is left of the calls when each Enter is refused: what such a call would bracket is not done.
func refused(calls []move) (left []move) {
	within := 0
	for _, m := range calls {
		switch {
		case m.name == "Enter":
			if within == 0 {
				left = append(left, m)
			}
			within++
		case within > 0 && m.name == "Leave":
			within--
		case within == 0:
			left = append(left, m)
		}
	}
	return left
}

// playOwners plays one interleaving.
func playOwners(t *testing.T, l *Loop, name string, old []move, kill int, next []move, order []bool) {
	t.Helper()
	first, second := newActor(), newActor()
	defer close(second.steps)
	first.do(func() { l.own.goroutine.Store(goroutine.Number()) })
	for _, m := range old[:kill+1] {
		first.do(func() { m.do(l) })
		if l.state() != m.state {
			t.Fatalf("%s: state %d after the first owner's %s", name, l.state(), m.name)
		}
	}
	// The watchdog looks, and then takes the Loop over.
	w := l.own.word.Load()
	l.own.word.Store(w&^stateMask | stateHeld)
	l.own.word.Store(w)
	l.fence(t)
	l.own.forget()
	l.own.orphans++
	second.do(func() { l.own.goroutine.Store(goroutine.Number()) })
	l.own.word.Store(l.own.compose(stateOwned))
	orphan, owner, alive := refused(old[kill+1:]), next, true
	for _, isOrphan := range order {
		before := l.own.word.Load()
		if !isOrphan {
			m := owner[0]
			owner = owner[1:]
			entered := false
			if !second.do(func() { entered = m.do(l) }) || !entered || l.state() != m.state {
				t.Fatalf("%s: the next owner's %s: entered %v, state %d", name, m.name, entered, l.state())
			}
			continue
		}
		m := orphan[0]
		orphan = orphan[1:]
		if !alive {
			continue
		}
		entered := false
		alive = first.do(func() { entered = m.do(l) })
		switch {
		case l.own.word.Load() != before:
			t.Fatalf("%s: the first owner's %s has changed the word", name, m.name)
		case m.name == "Enter" && entered:
			t.Fatalf("%s: the first owner has entered", name)
		case m.name == "Reclaim" && alive:
			t.Fatalf("%s: the first owner has reclaimed", name)
		}
	}
	if alive {
		close(first.steps)
	}
	l.own.orphans--
	l.own.word.Store(l.own.compose(stateOwned))
}
