package internalapi

import "sync"

// Slots limits the number of slots in a process, OtherSlot included.
const Slots = 4096

// OtherSlot is the slot of requests without a route, and of the patterns that found no slot left.
const OtherSlot = 0

var slots = struct {
	sync.Mutex
	byPattern map[string]uint32
	patterns  []string
}{byPattern: map[string]uint32{}, patterns: []string{""}}

// SlotOf returns the slot of a pattern: the same for the same text, for the life of the process, so that
// routers which are made again take no further slots. When none is left, it returns OtherSlot. It takes
// a lock, for a few instructions. Any goroutine.
func SlotOf(pattern string) uint32 {
	slots.Lock()
	defer slots.Unlock()
	if slot, ok := slots.byPattern[pattern]; ok {
		return slot
	}
	if len(slots.patterns) == Slots || pattern == "" {
		return OtherSlot
	}
	slot := uint32(len(slots.patterns))
	slots.byPattern[pattern] = slot
	slots.patterns = append(slots.patterns, pattern)
	return slot
}

// PatternOf returns the pattern of a slot; "" for OtherSlot. Any goroutine but a loop's.
func PatternOf(slot uint32) string {
	slots.Lock()
	defer slots.Unlock()
	return slots.patterns[slot]
}
