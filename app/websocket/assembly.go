package websocket

import "errors"

// errMemory is the error of a message for which the connection or its loop has no memory.
// It closes the socket with CloseTryAgainLater.
var errMemory = errors.New("websocket: too many incomplete messages")

// freeAssembly is the size in bytes up to which a message may be collected without
// asking for memory.
const freeAssembly = 16 << 10

// assembly collects the pieces of a message. The memory that it needs beyond freeAssembly
// is reserved at the server until release. The zero value is empty.
type assembly struct {
	text     []byte
	reserved int
}

// add appends a piece. It fails with errMemory.
func (a *assembly) add(w wire, p []byte) error {
	if need := len(a.text) + len(p); need > cap(a.text) {
		room := max(need, 2*len(a.text))
		if room > freeAssembly+a.reserved {
			if room = a.reserve(w, need, room); room == 0 {
				return errMemory
			}
		}
		a.text = append(make([]byte, 0, room), a.text...)
	}
	a.text = append(a.text, p...)
	return nil
}

// reserve reserves memory for a text of room bytes, or fewer but at least need. It returns
// their number; 0 if there is not enough.
func (a *assembly) reserve(w wire, need, room int) int {
	m, ok := w.(memory)
	if !ok {
		return room
	}
	has := freeAssembly + a.reserved
	if need > has {
		n := m.Reserve(need-has, room-has)
		if n == 0 {
			return 0
		}
		a.reserved += n
		return has + n
	}
	return has
}

// take returns the message and makes a ready for the next one. The memory stays reserved.
func (a *assembly) take() []byte {
	text := a.text
	a.text = nil
	return text
}

// release returns the reserved memory and drops a message in progress.
func (a *assembly) release(w wire) {
	if m, ok := w.(memory); ok && a.reserved > 0 {
		m.Release(a.reserved)
	}
	*a = assembly{}
}
