//go:build linux

package server

import (
	"runtime/metrics"
	"time"
)

// MemoryLevel is how near the memory that the process needs is to Config.MemoryLimit.
type MemoryLevel uint32

const (
	MemoryAmple    MemoryLevel = iota // far from the limit, or there is none
	MemoryLow                         // buffers shrink, and idle connections are closed
	MemoryScarce                      // in addition, requests are answered with 503
	MemoryCritical                    // in addition, the connections that hold the most are reset
	memoryLevels
)

// String returns the name of the level in the log and in metrics.
func (l MemoryLevel) String() string {
	return [...]string{"ample", "low", "scarce", "critical"}[min(l, MemoryCritical)]
}

// Parts of the limit, in percent, at which a level begins, and below which it ends.
var memoryBounds = [memoryLevels]struct{ from, until uint64 }{
	MemoryLow:      {80, 70},
	MemoryScarce:   {90, 80},
	MemoryCritical: {97, 90},
}

// memoryUse is a reading of the Go runtime, in bytes.
type memoryUse struct {
	total, released uint64 // mapped, and of that returned to the system
	free            uint64 // heap that no object uses, in pages
	unused          uint64 // heap that no object uses, within pages that others use
	objects         uint64 // live or not
	live            uint64 // that the last collection has found
	collections     uint64 // that have ended
	elsewhere       uint64 // of Config.MemoryElsewhere
}

// readMemory reads the runtime. It takes a few microseconds and stops nothing. samples is memory for it.
func readMemory(samples *[len(memoryMetrics)]metrics.Sample) (u memoryUse) {
	for i, name := range memoryMetrics {
		samples[i].Name = name
	}
	metrics.Read(samples[:])
	for i, to := range [...]*uint64{&u.total, &u.released, &u.free, &u.unused, &u.objects, &u.live, &u.collections} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			*to = samples[i].Value.Uint64()
		}
	}
	return u
}

var memoryMetrics = [...]string{
	"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes",
	"/memory/classes/heap/unused:bytes", "/memory/classes/heap/objects:bytes", "/gc/heap/live:bytes",
	"/gc/cycles/total:gc-cycles",
}

// grown returns the bytes of objects that were allocated since the last collection and may be live or garbage.
func (u *memoryUse) grown() uint64 { return above(int64(u.objects), u.live) }

// possible returns what the process needs if all its objects are live. The unused parts of pages count half: objects of
// the same size fill some of them, and no other object can.
func (u *memoryUse) possible() uint64 {
	return above(int64(u.total), u.released+u.free+u.unused/2) + u.elsewhere
}

// needed returns what the process needs as far as the last collection knows: memory that a collection would free is not
// part of it.
func (u *memoryUse) needed() uint64 { return above(int64(u.possible()), u.grown()) }

// gauge finds the level of memory from readings. It has no clock of its own.
type gauge struct {
	limit uint64 // bytes
	level MemoryLevel

	collections uint64        // of the last reading
	collected   time.Duration // when the last collection was seen
	took        time.Duration // how long the last collection lasted that was asked for
}

const (
	// collectEvery is the time between two collections that are asked for while memory is not ample: only a collection
	// shows that memory became free.
	collectEvery = 500 * time.Millisecond
	// collectShare bounds the part of the time in which such collections run: one in so many.
	collectShare = 5
	// collectGrowth is the part of the limit, one in so many, by which the heap grows before a collection is asked for to
	// find out how much of that is live.
	collectGrowth = 16
)

// read takes a reading, made at now, and sets the level. It reports whether a collection is to run, since the level cannot
// be known without one.
func (g *gauge) read(u memoryUse, now time.Duration) (collect bool) {
	if u.collections != g.collections {
		g.collections, g.collected = u.collections, now
	}
	needed := u.needed()
	for g.level < MemoryCritical && needed >= g.bound(memoryBounds[g.level+1].from) {
		g.level++
	}
	for g.level > MemoryAmple && needed < g.bound(memoryBounds[g.level].until) {
		g.level--
	}
	since := now - g.collected
	switch grown := u.grown() >= g.limit/collectGrowth; {
	case since < collectShare*g.took:
		return false
	case g.level == MemoryAmple:
		return grown && u.possible() >= g.bound(memoryBounds[MemoryLow].from)
	default:
		return grown || since >= collectEvery
	}
}

// bound returns so many percent of the limit.
func (g *gauge) bound(percent uint64) uint64 { return g.limit / 100 * percent }
