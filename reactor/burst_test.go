//go:build linux

package reactor

import (
	"testing"
	"time"
)

// Memory that a burst took is given back, and entries that are left survive.
func TestMemoryAfterABurst(t *testing.T) {
	const burst, left = 16 * burstKept, 100
	l := bare(t)
	l.begin()
	fired := 0
	var timers []*Timer
	var conns []*Conn
	for range burst {
		timers = append(timers, l.AfterFunc(-time.Second, func() { fired++ }))
		c := &Conn{timerIndex: -1}
		c.loop.Store(l)
		l.add(c)
		c.Touch()
		c.phase = phaseClosed
		l.deferred.put(c)
		conns = append(conns, c)
	}
	for i := left; i < burst; i++ {
		timers[i].Stop()
		l.remove(conns[i])
	}
	l.end()
	l.wakeTurn()
	l.begin()
	l.expire()
	for i, c := range conns[:left] {
		if int(c.index) >= len(l.conns) || l.conns[c.index] != c {
			t.Fatalf("connection %d is lost", i)
		}
	}
	if fired != left || len(l.conns) != left {
		t.Errorf("%d timers have fired and %d connections are left, want %d", fired, len(l.conns), left)
	}
	for name, have := range map[string]int{
		"timers": cap(l.timers.heap), "connections": cap(l.conns), "touched": cap(l.touched),
		"deferred": cap(l.deferred.list),
	} {
		if have > burstKept {
			t.Errorf("%s: memory for %d is kept", name, have)
		}
	}
}

// A connection that is deferred in every turn costs no allocation.
func TestLaterAllocatesNothing(t *testing.T) {
	l := bare(t)
	c := &Conn{timerIndex: -1, phase: phaseClosed}
	c.loop.Store(l)
	if n := testing.AllocsPerRun(100, func() {
		c.touched = false
		l.deferConn(c)
		l.wakeTurn()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
