package ws

import (
	"math/rand/v2"
	"time"
)

// Shared is what the connections of one loop have in common: the time, scratch
// memory and idle inflaters. The zero value is ready.
type Shared struct {
	// Mask gives the masking keys of the client role, which must be
	// unpredictable to whoever chooses the payloads (RFC 6455 section 10.3).
	// Nil: the runtime's ChaCha8 generator.
	Mask func() uint32

	base time.Time     // the first Tick
	now  time.Duration // since base

	plain      plainBuffer  // inflated text on its way to the caller
	packed     sink         // a compressed message on its way to the queue
	inflations []*inflation // idle
	unfinished inflationList
	spares     [len(spareSizes)]spares
	work       int // see TakeWork
}

// Tick tells the time. It is called at the begin of a loop's turn, and before the
// first connection is made.
func (sh *Shared) Tick(now time.Time) {
	if sh.base.IsZero() {
		sh.base = now
	}
	sh.now = now.Sub(sh.base)
}

// Renew gives the loop scratch of its own again: whoever holds borrowed Data of an
// event and has lost the loop may go on reading it.
func (sh *Shared) Renew() {
	sh.plain.release()
	sh.plain.b = nil
}

// Unfinished returns the number of compressed messages of which a part has been
// inflated and more is to come.
func (sh *Shared) Unfinished() int { return sh.unfinished.count }

// TakeWork returns the work that inflating and compressing took since the last
// call, in kilobytes inflated, of which one takes a few microseconds.
func (sh *Shared) TakeWork() int {
	n := sh.work >> 10
	sh.work -= n << 10
	return n
}

func (sh *Shared) key() uint32 {
	if sh.Mask != nil {
		return sh.Mask()
	}
	return rand.Uint32()
}

// spareSizes are the capacities of the buffers that connections borrow while
// they hold output or compressed input. The smallest is for the many that send a
// short message and are drained at the turn's end; the largest takes a frame of
// 64 KiB with its header.
var spareSizes = [...]int{512, 4 << 10, 72 << 10}

// take gives an empty buffer with room for n bytes at least.
func (sh *Shared) take(n int) []byte {
	for class, size := range spareSizes {
		if n <= size {
			return sh.spares[class].take(size)
		}
	}
	return make([]byte, 0, n)
}

// give takes a buffer back that came from take, or none. It returns nil, for the
// variable that held it.
func (sh *Shared) give(b []byte) []byte {
	for class, size := range spareSizes {
		if cap(b) == size {
			sh.spares[class].give(b)
			break
		}
	}
	return nil
}

// spares are idle buffers of one capacity.
type spares [][]byte

func (s *spares) take(size int) []byte {
	last := len(*s) - 1
	if last < 0 {
		return make([]byte, 0, size)
	}
	b := (*s)[last]
	*s = (*s)[:last]
	return b[:0]
}

func (s *spares) give(b []byte) {
	if len(*s)*cap(b) < maxSpareBytes {
		*s = append(*s, b)
	}
}

// grow gives b room for n more bytes, in a larger buffer if need be.
func (sh *Shared) grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	larger := append(sh.take(max(len(b)+n, 2*len(b))), b...)
	sh.give(b)
	return larger
}
