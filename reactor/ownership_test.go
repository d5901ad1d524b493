//go:build linux

package reactor

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/goroutine"
)

// bare is a Loop that nothing turns.
func bare(t *testing.T) *Loop {
	t.Helper()
	r, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.release)
	return r.loops[0]
}

func (l *Loop) state() uint64 { return l.own.word.Load() & stateMask }

// fence does what the watchdog does to a Loop that is lent.
func (l *Loop) fence(t *testing.T) {
	t.Helper()
	w := l.own.word.Load()
	if w&stateMask != stateLent || !l.own.word.CompareAndSwap(w, w&^stateMask|stateFenced) {
		t.Fatalf("word is %b, cannot be fenced", w)
	}
}

func TestLendAndReclaimNest(t *testing.T) {
	l := bare(t)
	want := func(state, inside, nested uint64) {
		t.Helper()
		if w := l.own.word.Load(); w&stateMask != state || w&insideBit/insideBit != inside || w&nestedBit/nestedBit != nested {
			t.Fatalf("word is %b", w&(1<<sectionShift-1))
		}
	}
	want(stateOwned, 0, 0)
	l.Lend(nil, nil)
	want(stateLent, 1, 0)
	l.Enter(nil)
	want(stateOwned, 1, 0)
	l.Enter(nil)
	want(stateOwned, 1, 0)
	l.Lend(nil, nil)
	want(stateLent, 1, 1)
	l.Enter(nil)
	want(stateOwned, 1, 1)
	l.Leave()
	want(stateLent, 1, 1)
	l.Reclaim()
	want(stateOwned, 1, 0)
	l.Leave()
	want(stateOwned, 1, 0)
	l.Leave()
	want(stateLent, 1, 0)
	l.Reclaim()
	want(stateOwned, 0, 0)
}

// Sections count stretches of lent code and stretches between two of them, not the calls that lent code makes.
func TestSections(t *testing.T) {
	l := bare(t)
	section := func() uint64 { return l.own.word.Load() >> sectionShift }
	first := section()
	l.Lend(nil, nil)
	lent := section()
	l.Enter(nil)
	l.Leave()
	if section() != lent {
		t.Error("a call began a section")
	}
	l.Reclaim()
	if first == lent || lent == section() {
		t.Error("sections are not told apart")
	}
}

func TestReclaimOfAFencedLoopEndsTheGoroutine(t *testing.T) {
	l := bare(t)
	ended := make(chan bool, 1)
	go func() {
		survived := false
		defer func() { ended <- survived }()
		l.Lend(nil, nil)
		l.fence(t)
		if l.Enter(nil) {
			t.Error("entered")
		}
		l.Reclaim()
		survived = true
	}()
	if await(t, ended) {
		t.Error("Reclaim returned")
	}
}

// While an orphan runs, the expected state does not prove that the caller is the owner.
func TestOrphanIsToldFromTheOwner(t *testing.T) {
	l := bare(t)
	lent, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
	go func() {
		survived := false
		defer func() { ended <- survived }()
		l.Lend(nil, nil)
		close(lent)
		<-goOn
		if l.Enter(nil) {
			t.Error("entered")
		}
		l.Reclaim()
		survived = true
	}()
	await(t, lent)
	l.fence(t)
	// The Loop goes on here.
	l.own.forget()
	l.own.orphans++
	l.own.goroutine.Store(goroutine.Number())
	l.own.word.Store(l.own.compose(stateOwned))
	l.Lend(nil, nil)
	close(goOn)
	if await(t, ended) {
		t.Error("Reclaim returned")
	}
	if !l.Enter(nil) {
		t.Fatal("the owner is refused")
	}
	l.Leave()
	l.Reclaim()
}

// Deferred calls of a goroutine that lost the Loop run when Reclaim ends it, and change nothing.
func TestDeferredLeaveOfAFencedGoroutineDoesNothing(t *testing.T) {
	l := bare(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Lend(nil, nil)
		defer l.Leave()
		l.fence(t)
		l.Reclaim()
	}()
	await(t, ended)
	if l.state() != stateFenced {
		t.Error("no longer fenced")
	}
}

// While the watchdog reads what is being run, the owner waits.
func TestHeldWordIsWaitedFor(t *testing.T) {
	l := bare(t)
	l.Lend(nil, nil)
	w := l.own.word.Load()
	l.own.word.Store(w | stateHeld)
	time.AfterFunc(time.Millisecond, func() { l.own.word.Store(w) })
	l.Reclaim()
	if l.state() != stateOwned {
		t.Error("not owned")
	}
}

func BenchmarkLendReclaim(b *testing.B) {
	r, err := New(Config{Loops: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer r.release()
	l := r.loops[0]
	b.ReportAllocs()
	for b.Loop() {
		l.Lend(nil, nil)
		l.Reclaim()
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	r, err := New(Config{Loops: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer r.release()
	l := r.loops[0]
	l.Lend(nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Enter(nil)
		l.Leave()
	}
}
