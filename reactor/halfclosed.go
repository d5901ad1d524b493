//go:build linux

package reactor

import (
	"errors"
	"sync"

	"github.com/gatewheel/gatewheel/internal/linked"
)

// ErrMadeRoom closes a half-closed connection when the limit of connections is reached.
var ErrMadeRoom = errors.New("reactor: half-closed connection closed to make room for another")

// halfClosed lists the connections that are only written to since the peer's FIN, oldest FIN first. A peer that has
// left looks the same as one that still reads, until something is written. So these connections are closed first when
// the limit of connections is reached. Safe for concurrent use.
type halfClosed struct {
	mu      sync.Mutex
	entries linked.List[halfClosedEntry, *halfClosedEntry]
	leaving int64 // evicted and still open
}

type halfClosedEntry struct {
	linked.Links[halfClosedEntry]
	handle  Handle
	evicted bool
}

// add appends c.
func (h *halfClosed) add(c *Conn) {
	e := &halfClosedEntry{handle: c.Handle()}
	c.ensureRare().halfClosed = e
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries.Push(e)
}

// remove removes c, which is closed.
func (h *halfClosed) remove(c *Conn) {
	if c.rare == nil || c.rare.halfClosed == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := c.rare.halfClosed; e.evicted {
		h.leaving--
	} else {
		h.entries.Remove(e)
	}
	c.rare.halfClosed = nil
}

// evict closes connections, oldest first, so that n of them close, including those evicted before. It returns the number
// by which there are too few. It does not wait.
func (h *halfClosed) evict(n int64) (missing int64) {
	h.mu.Lock()
	var taken []*halfClosedEntry
	for h.leaving < n && h.entries.Len() > 0 {
		e := h.entries.Pop()
		e.evicted = true
		h.leaving++
		taken = append(taken, e)
	}
	missing = max(n-h.leaving, 0)
	h.mu.Unlock()
	for _, e := range taken {
		e.handle.Post(func(c *Conn) { c.close(ErrMadeRoom) })
	}
	return missing
}
