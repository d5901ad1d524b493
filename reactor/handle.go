//go:build linux

package reactor

import (
	"sync"
	"sync/atomic"
)

// Handle names a connection, also after its end: its number is not used again. It is comparable and keeps no memory of
// the connection. The zero Handle names none.
type Handle struct {
	table *table
	id    uint64
}

// Post runs task with the connection on its Loop, owned, in the order of the calls. The task is dropped if the
// connection ends before. If the connection moves, the task runs where it arrives. On any goroutine. A task takes 40
// bytes until it has run.
func (h Handle) Post(task func(*Conn)) {
	for {
		c := h.conn()
		if c == nil {
			return
		}
		if c.loop.Load().postTo(c, h, task) {
			return
		}
	}
}

// conn returns the connection, or nil after its end.
func (h Handle) conn() *Conn {
	if h.table == nil {
		return nil
	}
	return h.table.lookup(h.id)
}

const (
	tableChunk     = 1 << 12 // connections whose entries are allocated at once
	tableIndexBits = 32
)

// table finds connections by number. The lower half of a number is an index, the upper one a generation. lookup takes
// no lock; insert and remove do. On any goroutine.
type table struct {
	mu     sync.Mutex
	chunks atomic.Pointer[[]*[tableChunk]tableEntry]
	free   []uint32
	used   uint32
}

type tableEntry struct {
	conn       atomic.Pointer[Conn]
	generation uint32 // under mu
}

func newTable() *table {
	t := &table{}
	t.chunks.Store(&[]*[tableChunk]tableEntry{})
	return t
}

func (t *table) entry(index uint32) *tableEntry {
	chunks := *t.chunks.Load()
	if int(index/tableChunk) >= len(chunks) {
		return nil
	}
	return &chunks[index/tableChunk][index%tableChunk]
}

func (t *table) lookup(id uint64) *Conn {
	e := t.entry(uint32(id))
	if e == nil {
		return nil
	}
	if c := e.conn.Load(); c != nil && c.id == id {
		return c
	}
	return nil
}

// insert gives c its number.
func (t *table) insert(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var index uint32
	if last := len(t.free) - 1; last >= 0 {
		index = t.free[last]
		t.free = t.free[:last]
	} else {
		index = t.used
		t.used++
		if index%tableChunk == 0 {
			grown := append(append([]*[tableChunk]tableEntry(nil), *t.chunks.Load()...), new([tableChunk]tableEntry))
			t.chunks.Store(&grown)
		}
	}
	e := t.entry(index)
	e.generation++
	c.id = uint64(e.generation)<<tableIndexBits | uint64(index)
	e.conn.Store(c)
}

// remove ends c's number: its Handles name no connection from now on.
func (t *table) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	index := uint32(c.id)
	t.entry(index).conn.Store(nil)
	t.free = append(t.free, index)
}
