//go:build linux

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Settings of the garbage collector, unless GOGC is set. Published measurements use the same.
const (
	// headroom is the minimum of allocations between two collections, in bytes. Busy connections hold little
	// memory, and a heap of a few megabytes would be collected some ten times a second.
	headroom = 16 << 20
	// minimumHeap is the heap size at which Go first collects with GOGC=100, in bytes.
	minimumHeap = 4 << 20
	// quietTime is the time with few allocations after which free memory is returned to the system, so that
	// idle connections cost what they hold and not what their requests have left.
	quietTime = 2 * time.Second
	// quietAllocations is what a server without traffic may allocate in quietTime, in bytes.
	quietAllocations = 256 << 10
	// minimumReturn is the minimum of allocations since memory was last returned, in bytes; a sixteenth of the
	// live heap is added, whose collection costs time.
	minimumReturn = 1 << 20
	// longQuiet is the number of consecutive quiet observations after which a sixteenth of that is enough:
	// connections that have left free memory without allocating much.
	longQuiet = 10
)

// tuneCollector sets GOGC, has it follow the live heap, and starts a goroutine that returns free memory to the
// system in quiet times. A memory limit works besides: near it the runtime collects earlier than GOGC asks for.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := gcPercent(0)
	debug.SetGCPercent(percent)
	afterEachCollection(func() {
		_, live := heap()
		// Each change stops the world, so small ones are skipped.
		if next := gcPercent(live); 4*next > 5*percent || 5*next < 4*percent || next == 100 && percent != 100 {
			percent = next
			debug.SetGCPercent(percent)
		}
	})
	go func() {
		var memory quietness
		for range time.Tick(quietTime / 2) {
			if memory.observe(heap()) {
				debug.FreeOSMemory()
			}
		}
	}()
}

// afterEachCollection has f called after each collection, on the goroutine of finalizers, one call at a time. A
// heap that has grown within one collection would otherwise be allowed to grow by the percentage of a small one.
func afterEachCollection(f func()) {
	// A sentinel is a pointer: small objects without one share a block, which lives as long as any of them.
	type sentinel *byte
	var again func(*sentinel)
	again = func(*sentinel) {
		f()
		runtime.SetFinalizer(new(sentinel), again)
	}
	runtime.SetFinalizer(new(sentinel), again)
}

// gcPercent returns the GOGC with which a heap of live bytes grows by the larger of headroom and its own size
// before the next collection.
func gcPercent(live uint64) int {
	return int(max(100, 100*headroom/max(live, minimumHeap)))
}

// quietness decides when free memory is returned to the system.
type quietness struct {
	last, returned uint64 // allocated bytes at the last observation, and when memory was last returned
	quiet          int    // consecutive observations with few allocations
}

// observe reports whether memory is to be returned now. allocated is bytes since the start, live those of the last
// collection. It is called twice in quietTime.
func (c *quietness) observe(allocated, live uint64) bool {
	since := allocated - c.last
	c.last = allocated
	if since > quietAllocations/2 {
		c.quiet = 0
		return false
	}
	c.quiet++
	enough := minimumReturn + live/16
	if c.quiet >= longQuiet {
		enough /= 16
	}
	if c.quiet < 2 || allocated-c.returned < enough {
		return false
	}
	c.returned = allocated
	return true
}

// heap returns the bytes allocated since the start and the live bytes of the last collection.
func heap() (allocated, live uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}
