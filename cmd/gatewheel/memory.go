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
	// headroom is what may be allocated between two collections at least, in bytes. Connections at work
	// hold little, and a heap of a few megabytes would be collected some ten times a second.
	headroom = 16 << 20
	// minimumHeap is the heap at which Go collects first with GOGC=100, in bytes.
	minimumHeap = 4 << 20
	// quiet is how long hardly anything must have been allocated before garbage is given back to
	// the system: idle connections should cost what they hold, not what their requests have left.
	quiet = 2 * time.Second
	// hardly is what a server without traffic may allocate in that time, in bytes.
	hardly = 256 << 10
	// worthwhile is how much must have been allocated since garbage was given back last, in bytes. A part of
	// the live heap is added, whose collection costs time.
	worthwhile = 1 << 20
)

// tuneCollector sets the collector up and starts what keeps its settings in line with the heap and gives memory
// back in quiet times.
func tuneCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent := gcPercent(0)
	debug.SetGCPercent(percent)
	go func() {
		var calm calmness
		for range time.Tick(quiet / 2) {
			allocated, live := heap()
			// Each change stops the world for a moment, so small ones are left out.
			if next := gcPercent(live); 4*next > 5*percent || 5*next < 4*percent || next == 100 && percent != 100 {
				percent = next
				debug.SetGCPercent(percent)
			}
			if calm.turnsQuiet(allocated, live) {
				debug.FreeOSMemory()
			}
		}
	}()
}

// gcPercent returns the GOGC with which a heap with so many live bytes grows by headroom or by its own size,
// whichever is more, before the next collection.
func gcPercent(live uint64) int {
	return int(max(100, 100*headroom/max(live, minimumHeap)))
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
