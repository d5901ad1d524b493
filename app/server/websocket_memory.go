//go:build linux

package server

import (
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app/spi"
)

// memory limits the bytes of incomplete messages that WebSockets collect, on a loop or, within that, on an HTTP/2
// connection. Any goroutine.
type memory struct {
	used, limit atomic.Int64
	loop        *memory // limit of the loop; nil: this is that of a loop
}

// allow raises the limit to message bytes, so that one message of the largest size always fits.
func (m *memory) allow(message int64) {
	for m != nil {
		if limit := m.limit.Load(); limit < message && !m.limit.CompareAndSwap(limit, message) {
			continue
		}
		m = m.loop
	}
}

// reserve takes n bytes. It reports false, and takes none, if fewer are left.
func (m *memory) reserve(n int64) bool {
	if m.used.Add(n) > m.limit.Load() || m.loop != nil && !m.loop.reserve(n) {
		m.used.Add(-n)
		return false
	}
	return true
}

func (m *memory) release(n int64) {
	for ; m != nil; m = m.loop {
		m.used.Add(-n)
	}
}

var _ spi.Memory = (*wire)(nil)

// Reserve implements spi.Memory. Where there is little, a message still grows by an eighth, so that few copies are
// made of it.
func (w *wire) Reserve(least, most int) int {
	m := w.carrier.memory()
	for _, n := range [...]int{most, least + (most-least)/8, least} {
		if m.reserve(int64(n)) {
			return n
		}
	}
	w.loop.server.refused(MessageMemory, "", nil)
	return 0
}

// Release implements spi.Memory.
func (w *wire) Release(n int) { w.carrier.memory().release(int64(n)) }
