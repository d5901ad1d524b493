//go:build linux

package server

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

const mib = 1 << 20

// A process of 100 MiB: what it needs decides the level, and the level changes back later than it came.
func TestMemoryLevels(t *testing.T) {
	g := gauge{limit: 100 * mib}
	for i, step := range []struct {
		needed uint64 // MiB
		want   MemoryLevel
	}{
		{10, MemoryAmple}, {79, MemoryAmple}, {80, MemoryLow}, {71, MemoryLow}, {69, MemoryAmple},
		{90, MemoryScarce}, {81, MemoryScarce}, {79, MemoryLow}, {91, MemoryScarce},
		{97, MemoryCritical}, {91, MemoryCritical}, {89, MemoryScarce}, {200, MemoryCritical}, {20, MemoryAmple},
	} {
		use := memoryUse{total: step.needed * mib, objects: step.needed * mib, live: step.needed * mib, collections: uint64(i)}
		g.read(use, time.Duration(i)*time.Second)
		if g.level != step.want {
			t.Errorf("step %d: %d MiB are %v, want %v", i, step.needed, g.level, step.want)
		}
	}
}

// What a collection would free is not needed. One is asked for before memory that has grown counts.
func TestGarbageDoesNotCount(t *testing.T) {
	g := gauge{limit: 100 * mib}
	use := memoryUse{total: 60 * mib, objects: 50 * mib, live: 40 * mib, collections: 7}
	if g.read(use, 1*time.Second) {
		t.Error("a collection was asked for far from the limit")
	}
	use.total, use.objects = 95*mib, 85*mib
	if !g.read(use, 2*time.Second) || g.level != MemoryAmple {
		t.Errorf("new objects: level %v, want a collection and no other level", g.level)
	}
	use.live, use.collections = 42*mib, 8
	use.objects = 42 * mib
	use.free = 43 * mib
	if g.read(use, 3*time.Second) || g.level != MemoryAmple {
		t.Errorf("they were garbage: level %v", g.level)
	}
	use.free, use.live, use.objects, use.collections = 0, 85*mib, 85*mib, 9
	if g.read(use, 4*time.Second); g.level != MemoryScarce {
		t.Errorf("they are live: level %v", g.level)
	}
}

// While memory is short, collections show whether it still is; they take a bounded share of the time.
func TestCollectionsWhileMemoryIsShort(t *testing.T) {
	g := gauge{limit: 100 * mib}
	use := memoryUse{total: 85 * mib, objects: 80 * mib, live: 80 * mib, collections: 1}
	if g.read(use, time.Second) {
		t.Error("the reading follows a collection")
	}
	if g.read(use, time.Second+collectEvery/2) {
		t.Error("a collection was asked for too early")
	}
	if !g.read(use, time.Second+collectEvery) {
		t.Error("no collection was asked for in time")
	}
	use.collections, g.took = 2, time.Second
	if g.read(use, 10*time.Second); g.read(use, 14*time.Second) {
		t.Error("collections of a second take more than their share")
	}
	if !g.read(use, 15*time.Second) {
		t.Error("no collection after the pause")
	}
}

// The runtime has every metric, and they fit together.
func TestMemoryReading(t *testing.T) {
	var samples [len(memoryMetrics)]metrics.Sample
	before := readMemory(&samples)
	block := make([]byte, 8*mib)
	runtime.GC()
	after := readMemory(&samples)
	runtime.KeepAlive(block)
	if after.collections <= before.collections || after.live < 8*mib || after.objects < 8*mib || after.total < after.live ||
		after.needed() > after.possible() || after.needed() < 8*mib {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if n := testing.AllocsPerRun(100, func() { readMemory(&samples) }); n > 0 {
		t.Errorf("a reading allocates %v times", n)
	}
}

func BenchmarkMemoryReading(b *testing.B) {
	var samples [len(memoryMetrics)]metrics.Sample
	for b.Loop() {
		readMemory(&samples)
	}
}
