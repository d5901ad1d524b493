//go:build linux

package reactor

import (
	"errors"
	"sync"
)

// ErrMadeRoom is what a half-closed connection is closed with when the Reactor is full.
var ErrMadeRoom = errors.New("reactor: half-closed connection closed to make room for another")

// halfClosed lists the connections whose peer's FIN has come and which stay for writing, oldest FIN first. Such
// a peer may just as well be gone, and nothing tells the two apart until something is written. So they are the
// first to go when the Reactor is full. Safe for concurrent use.
type halfClosed struct {
	mu          sync.Mutex
	first, last *halfClosedEntry
	leaving     int64 // of those that evict has taken, still open
}

type halfClosedEntry struct {
	handle         Handle
	previous, next *halfClosedEntry
	evicted        bool
}

// add appends c.
func (h *halfClosed) add(c *Conn) {
	e := &halfClosedEntry{handle: c.Handle()}
	c.ensureRare().halfClosed = e
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.previous = h.last; h.last == nil {
		h.first = e
	} else {
		h.last.next = e
	}
	h.last = e
}

// remove forgets c, which is closed.
func (h *halfClosed) remove(c *Conn) {
	if c.rare == nil || c.rare.halfClosed == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := c.rare.halfClosed; e.evicted {
		h.leaving--
	} else {
		h.unlink(e)
	}
	c.rare.halfClosed = nil
}

func (h *halfClosed) unlink(e *halfClosedEntry) {
	if e.previous == nil {
		h.first = e.next
	} else {
		e.previous.next = e.next
	}
	if e.next == nil {
		h.last = e.previous
	} else {
		e.next.previous = e.previous
	}
	e.previous, e.next = nil, nil
}

// evict has so many close, oldest first, less those that are leaving already. It reports whether room is going to
// be made for all.
func (h *halfClosed) evict(n int64) bool {
	h.mu.Lock()
	var taken []*halfClosedEntry
	for h.leaving < n && h.first != nil {
		e := h.first
		h.unlink(e)
		e.evicted = true
		h.leaving++
		taken = append(taken, e)
	}
	enough := h.leaving >= n
	h.mu.Unlock()
	for _, e := range taken {
		e.handle.Post(func(c *Conn) { c.close(ErrMadeRoom) })
	}
	return enough
}
