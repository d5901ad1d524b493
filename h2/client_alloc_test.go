//go:build !poison

package h2

import (
	"fmt"
	"testing"
)

// A request and its response, whose fields are references to the table, allocate nothing.
func TestAskAllocatesNothing(t *testing.T) {
	x := newAsk(t)
	x.round(t, 20)
	if n := testing.AllocsPerRun(100, func() { x.round(t, 20) }); n > 0 {
		t.Errorf("%v allocations in 20 requests", n)
	}
	// Values that differ are not indexed.
	paths := []string{"/a?token=1", "/b?token=1", "/c?token=1", "/d?token=1", "/e?token=1"}
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		x.ask.Path = paths[i%len(paths)]
		i++
		x.round(t, 1)
	}); n > 0 {
		t.Errorf("%v allocations in a request with another path", n)
	}
}

// Lines that repeat, but are too many for the table, cost an allocation now and then.
func TestTooManyRepeatedLines(t *testing.T) {
	x := newAsk(t)
	agents := make([]string, 45)
	for i := range agents {
		agents[i] = fmt.Sprint("agent", i)
	}
	i := 0
	ask := func() {
		x.ask.Fields[0].Value = agents[i%len(agents)]
		i++
		x.round(t, 1)
	}
	for range 1000 {
		ask()
	}
	if n := testing.AllocsPerRun(1, func() {
		for range 1000 {
			ask()
		}
	}); n > 2*1000/insertEvery {
		t.Errorf("%v allocations in 1000 requests", n)
	}
}
