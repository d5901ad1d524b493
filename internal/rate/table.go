package rate

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// slot is a key and its time: 16 bytes.
type slot struct {
	key  atomic.Uint64 // keyed hash; 0: not in use
	time atomic.Int64  // in nanoseconds of the table's clock, see Limit.Count
}

// setSize is the number of slots in which a key may be.
const setSize = 8

// set is the slots of the keys whose hashes have the same low bits. Of more keys in use than slots,
// the one with the lowest time is evicted.
type set [setSize]slot

// DefaultKeys is the usual number of keys of a Table.
const DefaultKeys = 65536

// Table has the times of a bounded number of keys. It has no locks: a key is found by its hash, and
// its time is one atomic word. Two keys share a time if their 64-bit hashes are equal; the hash is
// keyed at random, so that clients cannot bring that about. Any goroutine.
type Table struct {
	sets    []set
	seed    maphash.Seed
	started atomic.Pointer[time.Time] // the start of the clock
	evicted atomic.Uint64             // keys whose time was not over
}

// clockStart is the time of the clock when it is first read. It is far from 0, which is the time of
// new keys, so that loops whose clocks lag behind read a positive time, too.
const clockStart = int64(time.Hour)

// NewTable returns a table for at least that number of keys; 0 is DefaultKeys. Each takes 16 bytes,
// which are allocated at once.
func NewTable(keys int) *Table {
	if keys == 0 {
		keys = DefaultKeys
	}
	sets := 1
	for sets*setSize < keys {
		sets *= 2
	}
	return &Table{sets: make([]set, sets), seed: maphash.MakeSeed()}
}

// Clock returns the time of the table's clock at now.
func (t *Table) Clock(now time.Time) int64 {
	started := t.started.Load()
	if started == nil {
		started = t.start(now)
	}
	return clockStart + int64(now.Sub(*started))
}

// start starts the clock, unless it was started.
func (t *Table) start(now time.Time) *time.Time {
	t.started.CompareAndSwap(nil, &now)
	return t.started.Load()
}

// OfText returns the key of a text.
func (t *Table) OfText(text string) uint64 { return maphash.String(t.seed, text) | 1 }

// OfAddress returns the key of a client's address: of IPv6 the first 64 bits, since a network of
// that size is what one client gets.
func (t *Table) OfAddress(a netip.Addr) uint64 {
	a = a.Unmap()
	raw := a.As16()
	if a.Is6() {
		clear(raw[8:])
	}
	return maphash.Bytes(t.seed, raw[:]) | 1
}

// slot returns the slot of a key, which it takes from another key if there is none. Two goroutines
// that do so at once for one key may, rarely, take two: then some requests are counted apart.
func (t *Table) slot(key uint64, now int64) *slot {
	s := &t.sets[key>>1&uint64(len(t.sets)-1)]
	for {
		free, oldest := &s[0], int64(0)
		for i := range s {
			k, at := s[i].key.Load(), s[i].time.Load()
			switch {
			case k == key:
				return &s[i]
			case k == 0:
				at = -1
			}
			if i == 0 || at < oldest {
				free, oldest = &s[i], at
			}
		}
		old := free.key.Load()
		if old == key {
			return free
		}
		if !free.key.CompareAndSwap(old, key) {
			continue
		}
		// A time that is over is that of a new key already.
		if oldest > now && free.time.CompareAndSwap(oldest, 0) {
			t.evicted.Add(1)
		}
		return free
	}
}

// Until returns the time up to which the requests of a key are counted.
func (t *Table) Until(key uint64, now int64) int64 { return t.slot(key, now).time.Load() }

// Refuse has the requests of a key counted up to until at least.
func (t *Table) Refuse(key uint64, now, until int64) {
	word := &t.slot(key, now).time
	for {
		old := word.Load()
		if old >= until || word.CompareAndSwap(old, until) {
			return
		}
	}
}

// Evicted returns the number of keys that were forgotten though they counted.
func (t *Table) Evicted() uint64 { return t.evicted.Load() }
