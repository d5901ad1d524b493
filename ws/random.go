package ws

import (
	"crypto/rand"
	"encoding/binary"
)

// entropySize is the number of random bytes that a loop asks for at a time: the masking
// keys of a thousand frames, whose share of the system call is a few nanoseconds.
const entropySize = 4 << 10

// entropy is a loop's stock of random bytes, of which each is used once. A loop without
// clients holds none.
type entropy struct {
	b      []byte
	unused int // bytes at the end of b
}

// random returns n random bytes, at most entropySize. They are borrowed until the next
// call.
func (sh *Shared) random(n int) []byte {
	e := &sh.entropy
	if e.unused < n {
		if e.b == nil {
			e.b = make([]byte, entropySize)
		}
		if sh.Random != nil {
			sh.Random(e.b)
		} else {
			_, _ = rand.Read(e.b) // it never fails
		}
		e.unused = len(e.b)
	}
	at := len(e.b) - e.unused
	e.unused -= n
	return e.b[at : at+n]
}

// key returns a new masking key. RFC 6455 section 5.3.
func (sh *Shared) key() uint32 { return binary.LittleEndian.Uint32(sh.random(4)) }
