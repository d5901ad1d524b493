//go:build linux

package engine_test

import (
	"math"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// socketPairs returns n arrivals whose other ends stay open until the end of the test.
func (l *loop) socketPairs(n int) (arrivals []*arrival) {
	l.t.Helper()
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { _ = unix.Close(pair[1]) })
		arrivals = append(arrivals, &arrival{fd: pair[0]})
	}
	return arrivals
}

// Accepts that could not be planned, since there was no spare descriptor, are planned for the next arrival.
func TestAdoptPlansOnceDescriptorsAreSpare(t *testing.T) {
	const sockets = 50
	l := newLoop(t).start()
	first, second := l.socketPairs(sockets), l.socketPairs(sockets+1)
	l.on(func() {
		for _, a := range first {
			l.Adopt(a)
		}
	})
	for range first {
		await(t, l.adopted)
	}
	l.on(func() { // within burstTime the duplicates of the first plan are still there
		l.spare = 0
		for _, a := range second[:sockets] {
			l.Adopt(a)
		}
		l.spare = 64
		before := l.plans
		if l.Adopt(second[sockets]); l.plans == before {
			t.Error("no accepts are planned")
		}
	})
	for range second {
		await(t, l.adopted)
	}
}

// noDescriptors lets the process open no descriptor, until restore.
func noDescriptors(t testing.TB) (restore func()) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Error(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Error(err)
	}
	return sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
}

// short has the loop adopt n sockets, and takes away all descriptors before the first accept. It returns when that has
// failed, with the number of plans made before it.
func (l *loop) short(n int) (plans int, restore func()) {
	l.t.Helper()
	arrivals := l.socketPairs(n)
	restore = func() {}
	l.on(func() {
		for _, a := range arrivals {
			l.Adopt(a)
		}
		plans = l.plans
		restore = noDescriptors(l.t)
	})
	if err := receive(l.failed); err != unix.EMFILE {
		l.t.Errorf("accept failed with %v", err)
	}
	return plans, restore
}

// While accepts fail for lack of descriptors nothing is planned, however often the loop wakes.
func TestAdoptPlansNothingWhileDescriptorsAreShort(t *testing.T) {
	const sockets = 50
	l := newLoop(t)
	l.spare = 0
	plans, restore := l.start().short(sockets)
	for range 20 {
		l.on(func() {})
	}
	after := math.MaxInt
	l.on(func() { after = l.plans })
	restore()
	if after != plans {
		t.Errorf("accepts were planned %d times", after-plans)
	}
	for range sockets {
		await(t, l.adopted)
	}
}

// A failed accept ends the plan; the dummies that wait are planned anew.
func TestAdoptPlansAnewAfterAFailure(t *testing.T) {
	const sockets = 32 // the last plan is for 31: without a failure there is no other
	l := newLoop(t).start()
	before, restore := l.short(sockets)
	restore()
	for range sockets {
		await(t, l.adopted)
	}
	l.on(func() {
		if l.plans == before {
			t.Error("no accepts are planned")
		}
	})
}
