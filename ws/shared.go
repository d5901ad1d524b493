package ws

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/linked"
)

// Shared is the state that the connections of one goroutine, the loop, share: the
// time, buffers and idle decoders. The zero value is ready.
type Shared struct {
	// Random fills p with random bytes for the masking keys and handshakes of clients.
	// They must be unpredictable for those who choose the payloads (RFC 6455 section
	// 10.3). Nil stands for crypto/rand.
	Random func(p []byte)

	base time.Time     // the first Tick
	now  time.Duration // since base

	plain      plainBuffer                        // inflated text on its way to the caller
	packed     sink                               // a compressed message on its way to the queue
	inflations []*inflation                       // idle
	unfinished linked.List[inflation, *inflation] // oldest first
	spares     [len(spareSizes)]spares
	work       int // see TakeWork
	entropy    entropy
}

// Tick sets the time. Call it before the first Conn.Init and whenever events or
// commands follow a pause, such as at the start of a loop's turn.
func (sh *Shared) Tick(now time.Time) {
	if sh.base.IsZero() {
		sh.base = now
	}
	sh.now = now.Sub(sh.base)
}

// Renew replaces the buffers that Event.Data can refer to. Call it when another
// goroutine may still read borrowed Data.
func (sh *Shared) Renew() {
	sh.plain.release()
	sh.plain.b = nil
}

// Unfinished returns the number of compressed messages that are partly received.
func (sh *Shared) Unfinished() int { return sh.unfinished.Len() }

// TakeWork returns the work of decompression and compression since the last call, in
// KiB inflated, each of which takes about a microsecond.
func (sh *Shared) TakeWork() int {
	n := sh.work >> 10
	sh.work -= n << 10
	return n
}

// spareSizes are the capacities in bytes of the buffers that connections take for
// output. The smallest is for a short message that leaves at the end of the turn, the
// largest for a frame of 64 KiB with its header.
var spareSizes = [...]int{512, 4 << 10, 72 << 10}

// take returns an empty buffer with room for at least n bytes.
func (sh *Shared) take(n int) []byte {
	for class, size := range spareSizes {
		if n <= size {
			return sh.spares[class].take(size)
		}
	}
	return make([]byte, 0, n)
}

// give makes a buffer of take spare; b may be nil. It returns nil, to be assigned to
// the variable that held b.
func (sh *Shared) give(b []byte) []byte {
	for class, size := range spareSizes {
		if cap(b) == size {
			sh.spares[class].give(b)
			break
		}
	}
	return nil
}

// spares are unused buffers of one capacity.
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

// grow returns b with room for n more bytes, in a larger buffer if necessary.
func (sh *Shared) grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	larger := append(sh.take(max(len(b)+n, 2*len(b))), b...)
	sh.give(b)
	return larger
}
