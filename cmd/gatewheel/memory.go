//go:build linux

package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What the garbage collector is told, unless GOGC or GOMEMLIMIT say otherwise. Figures of processor
// time and of memory are taken with the same settings.
const (
	// headroom is what may be allocated between two collections at least. Connections at work hold
	// little, so that a heap of a few megabytes would be collected some ten times a second.
	headroom = 16 << 20
	// quiet is how long hardly anything must have been allocated before garbage is given back to
	// the system: idle connections should cost what they hold, not what their requests have left.
	quiet = 2 * time.Second
	// hardly is what a server without traffic may allocate in that time.
	hardly = 256 << 10
	// worthwhile is how much must have been allocated since garbage was given back last. A part of
	// the live heap is added, whose collection costs time.
	worthwhile = 1 << 20
)

// ballast counts as live and so delays collections. It is never written to: it takes addresses,
// no memory.
var ballast []byte

// tuneCollector sets the collector up and starts what gives memory back in quiet times.
func tuneCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ballast = make([]byte, headroom)
	go func() {
		var calm calmness
		for range time.Tick(quiet / 2) {
			if allocated, live := heap(); calm.turnsQuiet(allocated, live-min(live, uint64(len(ballast)))) {
				debug.FreeOSMemory()
			}
		}
	}()
}

// calmness decides when garbage is worth giving back.
type calmness struct {
	last, returned uint64 // allocated bytes at the last look, and when memory was given back last
	calm           int    // looks in a row that found hardly anything
}

// turnsQuiet is told the bytes that were allocated since the start and those that live. It looks
// twice as often as quiet is long.
func (c *calmness) turnsQuiet(allocated, live uint64) bool {
	since := allocated - c.last
	c.last = allocated
	if since > hardly/2 {
		c.calm = 0
		return false
	}
	c.calm++
	if c.calm < 2 || allocated-c.returned < worthwhile+live/16 {
		return false
	}
	c.returned = allocated
	return true
}

// heap reads how much was allocated since the start, and how much lived at the last collection.
func heap() (allocated, live uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}
