package spi

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// Slots limits the number of slots of routes in a process. OtherSlot is among them.
const Slots = internalapi.Slots

// OtherSlot is the slot of requests without a route, and of the routes for which no slot was left.
const OtherSlot = internalapi.OtherSlot

// SlotOf returns the slot of the route of r: a number below Slots that stands for the text of its pattern for
// the life of the process. It does not look the pattern up. On the loop.
func SlotOf(r *app.Request) uint32 {
	if route := core.RouteOf(r); route != nil {
		return route.Slot
	}
	return OtherSlot
}

// PatternOf returns the text of the pattern that a slot stands for; "" for OtherSlot. It takes a lock: any
// goroutine but a loop's.
func PatternOf(slot uint32) string { return internalapi.PatternOf(slot) }
