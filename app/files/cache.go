package files

import (
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
)

// What a Dir holds in memory at most.
const (
	cacheBytes   = 32 << 20 // content
	cacheEntries = 8192
)

// cache holds small files that were read lately. Loops look entries up without a lock
// and ask the file system whether the file is still the same; the pool adds entries.
type cache struct {
	entries sync.Map // of what requests name a file by to its *entry

	mu     sync.Mutex
	ring   []*entry // in the order in which entries are looked at for eviction (CLOCK)
	hand   int
	bytes  int64
	closed bool
}

// entry is one version of a file in the cache.
type entry struct {
	key string
	*choice
	size int64

	// used is set by loops that have answered with the entry, and cleared by the hand.
	used atomic.Bool
	// confirmed is the turn in which a loop has last found the file unchanged. Any loop
	// sets it; only the same turn of the same loop can find itself in it.
	confirmed atomic.Uint64
}

// answer answers with the file of that name, if it is held and has not changed; else
// ok is false. On the loop.
func (c *cache) answer(r *app.Request, name string) (resp *app.Response, err error, ok bool) {
	found, ok := c.entries.Load(name)
	if !ok {
		return nil, nil, false
	}
	e := found.(*entry)
	v := e.variants[e.of(r.Fields)]
	if !v.isHeld() || !e.isCurrentOn(r.Loop()) {
		return nil, nil, false
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	resp, err = v.answer(r, nil)
	return resp, err, true
}

// turner is an app.Loop that numbers its turns. Requests of a turn came before it
// began, so what is found out in it about a file holds for all of them.
type turner interface {
	// Turn identifies the turn in progress among those of all loops; it is not 0.
	Turn() uint64
}

// isCurrentOn reports whether the files are still those in the entry. It costs one stat a file
// and turn, of files on a local disk whose paths were walked lately, so that the answer is in
// the kernel's memory.
func (e *entry) isCurrentOn(loop app.Loop) bool {
	t, numbered := loop.(turner)
	if numbered && e.confirmed.Load() == t.Turn() {
		return true
	}
	if !e.isCurrent() {
		return false
	}
	if numbered {
		e.confirmed.Store(t.Turn())
	}
	return true
}

// put adds a version of a file, in place of an older one, unless the cache is closed. On the
// pool.
func (c *cache) put(key string, version *choice) {
	e := &entry{key: key, choice: version, size: version.size()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if old, ok := c.entries.Swap(key, e); ok {
		c.bytes -= old.(*entry).size
		c.ring[c.indexOf(old.(*entry))] = e
	} else {
		c.ring = append(c.ring, e)
	}
	c.bytes += e.size
	for c.bytes > cacheBytes || len(c.ring) > cacheEntries {
		c.evict()
	}
}

func (c *cache) indexOf(e *entry) int {
	for i, other := range c.ring {
		if other == e {
			return i
		}
	}
	return -1
}

// evict removes the next entry that was not used since the hand came by. Under mu.
func (c *cache) evict() {
	for {
		c.hand %= len(c.ring)
		e := c.ring[c.hand]
		if e.used.CompareAndSwap(true, false) {
			c.hand++
			continue
		}
		last := len(c.ring) - 1
		c.ring[c.hand] = c.ring[last]
		c.ring[last] = nil
		c.ring = c.ring[:last]
		c.bytes -= e.size
		c.entries.Delete(e.key)
		return
	}
}

// close empties the cache for good.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Clear()
	c.ring, c.hand, c.bytes, c.closed = nil, 0, 0, true
}
