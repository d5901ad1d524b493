//go:build linux

package main

import (
	"runtime"
	"testing"
	"time"
)

func TestMemoryIsReturnedOnceAfterTraffic(t *testing.T) {
	const mib = 1 << 20
	var c quietness
	for i, look := range []struct {
		allocated uint64
		want      bool
		why       string
	}{
		{2 * mib, false, "the start-up has just been"},
		{2*mib + 100, false, "one quiet look is not enough"},
		{2*mib + 200, true, "quiet, and the start-up has left something"},
		{2*mib + 300, false, "nothing new"},
		{50 * mib, false, "traffic"},
		{99 * mib, false, "traffic"},
		{99*mib + 100, false, "one quiet look"},
		{100 * mib, false, "traffic again"},
		{100*mib + 100, false, "one quiet look"},
		{100*mib + 200, true, "quiet"},
		{100*mib + 300, false, "returned already"},
		{100*mib + 400, false, "returned already"},
		{100*mib + mib/2, false, "a little traffic"},
		{100*mib + mib/2 + 1, false, "quiet, and too little for a collection"},
		{100*mib + mib/2 + 2, false, "quiet, and too little for a collection"},
	} {
		if got := c.observe(look.allocated, 0); got != look.want {
			t.Errorf("look %d at %d bytes: %v, want %v: %s", i, look.allocated, got, look.want, look.why)
		}
	}
}

// What connections that have left held is returned too: their ends allocate little.
func TestMemoryOfThoseWhoLeftIsReturned(t *testing.T) {
	const mib, live = 1 << 20, 35 << 20
	var c quietness
	c.observe(50*mib, live)
	c.returned = 50 * mib
	for look := 1; ; look++ {
		if c.observe(50*mib+mib/2, live) {
			if look < longQuiet {
				t.Errorf("returned at look %d", look)
			}
			break
		}
		if look > 2*longQuiet {
			t.Fatal("not returned")
		}
	}
	for range 3 * longQuiet {
		if c.observe(50*mib+mib/2, live) {
			t.Fatal("returned again, although nothing was allocated")
		}
	}
}

func TestALargeHeapIsNotCollectedForLittle(t *testing.T) {
	var c quietness
	const live = 1 << 30
	for range 3 {
		if c.observe(32<<20, live) {
			t.Fatal("collected a live gigabyte for 32 MiB")
		}
	}
}

// A heap grows by 16 MiB or by its own size before it is collected.
func TestCollectionsAreSpacedByHeadroom(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 400, mib: 400, 4 * mib: 400, 8 * mib: 200, 16 * mib: 100, 1 << 30: 100, 1 << 40: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d live bytes: GOGC %d, want %d", live, got, want)
		}
	}
}

func TestAfterEachCollection(t *testing.T) {
	calls := make(chan struct{}, 100)
	afterEachCollection(func() { calls <- struct{}{} })
	for range 3 {
		runtime.GC()
		select {
		case <-calls:
		case <-time.After(patience):
			t.Fatal("no call follows the collection")
		}
	}
}
