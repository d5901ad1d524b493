//go:build linux

package engine

import (
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

const (
	// ringLimit is how many connections wait at the doorbell at most.
	ringLimit = 2 * burstLimit
	// ringPause is the time until the next attempt to adopt when there was no descriptor.
	ringPause = 5 * time.Millisecond
)

// gnet makes the object of a connection only for what it accepts, or by a goroutine that waits for the event loop and
// is lost with its descriptors if that stalls. So an arrival comes in by the doorbell: gnet accepts a dummy there, and
// the arrival's socket takes its place. Everything happens on the loop, and nothing is lost with the engine.

func (e *gnetEngine) Adopt(a Arrival) {
	e.arrivals = append(e.arrivals, a)
	e.ring()
}

// ring leaves a dummy at the doorbell for each arrival, up to ringLimit, and plans their accepts if it has left any. On the
// loop. A dummy takes no descriptor while it waits: gnet's accept opens one, and adopt then closes that of the arrival.
func (e *gnetEngine) ring() {
	before, want := e.rings, min(len(e.arrivals), ringLimit)
	if before >= want {
		return
	}
	for e.rings < want && ringDoorbell(e.doorbell) == nil {
		e.rings++
	}
	switch {
	case e.rings == 0:
		e.starved = true
		e.ringLater()
		return
	case before == 0:
		e.starved = false
	}
	if e.rings > before {
		e.planAnswers()
	}
}

// planAnswers arms duplicates of the doorbell so that the next round accepts all waiting dummies, up to burstLimit; gnet
// alone accepts one. Each plan costs a system call for each of its accepts, so there is another one when the last is used
// up or the dummies have doubled.
func (e *gnetEngine) planAnswers() {
	more := min(e.rings-1, burstLimit)
	if more <= 2*e.planned {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone && len(e.sources) > 0 {
		doorbell := &e.sources[len(e.sources)-1]
		e.planned = e.extend(doorbell, min(more, e.config.Spare()))
	}
}

// answer puts the next arrival in the place of a dummy.
func (e *gnetEngine) answer(g gnet.Conn) gnet.Action {
	e.rings, e.planned = max(e.rings-1, 0), max(e.planned-1, 0)
	e.starved = false
	a, fd := e.nextArrival()
	e.ring()
	e.planAnswers()
	if a == nil {
		return gnet.Close
	}
	return e.adopt(g, a, fd)
}

// nextArrival takes the next arrival that has a descriptor; nil if there is none.
func (e *gnetEngine) nextArrival() (a Arrival, fd int) {
	for len(e.arrivals) > 0 {
		a = e.arrivals[0]
		e.arrivals[0] = nil
		e.arrivals = e.arrivals[1:]
		if fd = a.Descriptor(); fd >= 0 {
			return a, fd
		}
	}
	e.arrivals = nil
	return nil, -1
}

func (e *gnetEngine) adopt(g gnet.Conn, a Arrival, fd int) gnet.Action {
	seat := g.Fd()
	err := unix.Dup3(fd, seat, unix.O_CLOEXEC)
	if err == nil {
		// The dummy was the only one to be polled under this number.
		err = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, seat, &unix.EpollEvent{Fd: int32(seat), Events: readEvents})
	}
	if err != nil {
		e.handler.Rejected(a, err)
		return gnet.Close
	}
	owner := e.handler.Adopted(a, g, seat)
	if owner == nil {
		return gnet.Close
	}
	g.SetContext(owner)
	return gnet.None
}
