package ws

import "slices"

// Assembler makes whole messages of the pieces that Conn.Next hands out. It sets
// no limit of its own: the connection's message limit bounds what comes. The
// zero value is ready, and holds nothing between messages.
type Assembler struct{ message []byte }

// Add takes a Data event. whole tells that the message is complete: it is either
// ev.Data itself, borrowed like that, or memory that is the caller's from then
// on.
func (a *Assembler) Add(ev *Event) (message []byte, whole bool) {
	if ev.First && ev.Final {
		return ev.Data, true
	}
	if n := len(ev.Data); cap(a.message)-len(a.message) < n {
		a.message = slices.Grow(a.message, max(n, len(a.message)))
	}
	a.message = append(a.message, ev.Data...)
	if !ev.Final {
		return nil, false
	}
	message, a.message = a.message, nil
	return message, true
}

// Held gives the bytes of the message in progress.
func (a *Assembler) Held() int { return len(a.message) }

// Discard forgets the message in progress.
func (a *Assembler) Discard() { a.message = nil }
