//go:build linux

package reactor

import (
	"sync"
	"sync/atomic"
)

// Handle refers to a connection by a number that is never reused. It is comparable, remains valid after the connection
// has closed, and keeps none of its memory. The zero Handle refers to no connection.
type Handle struct {
	table *table
	id    uint64
}

// Post runs task with the connection on its loop, owned, in the order of the calls. If the connection closes before,
// the task is dropped. If it moves, the task runs on the new Loop. A task takes 40 bytes until it has run. On any
// goroutine.
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

// conn returns the connection; nil once it is closed.
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

// table maps numbers to connections. The lower half of a number is an index, the upper half a generation. lookup takes
// no lock; insert and remove do. Safe for concurrent use.
type table struct {
	mu     sync.Mutex
	chunks atomic.Pointer[[]*[tableChunk]tableEntry]
	free   []uint32
	used   uint32
	first  uint32 // generation before the first one
}

type tableEntry struct {
	conn       atomic.Pointer[Conn]
	generation uint32 // under mu
}

// tables counts the tables of the process, so that their connections have different numbers.
var tables atomic.Uint32

func newTable() *table {
	t := &table{first: (tables.Add(1) - 1) << 20}
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
	c.id = uint64(t.first+e.generation)<<tableIndexBits | uint64(index)
	e.conn.Store(c)
}

// remove removes c: its Handles refer to no connection from now on.
func (t *table) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	index := uint32(c.id)
	t.entry(index).conn.Store(nil)
	t.free = append(t.free, index)
}
