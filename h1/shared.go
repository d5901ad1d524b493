package h1

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/memo"
)

// Shared is the state that all connections of one loop share: limits, the
// encoded Date, scratch, and exchanges that wait to be used again. It belongs
// to one goroutine at a time, like its connections.
type Shared struct {
	limits Limits
	unsent int // Limits.Unsent of NewShared
	date   dateLine
	words  words
	free   *exchange
	kept   int    // length of the list of free exchanges
	work   uint64 // bytes of heads examined

	gathered []byte // content of small chunks, borrowed by an Event

	memos     [memos]headMemo[Head]
	responses *[2][memos]headMemo[ResponseHead] // to HEAD in the second list; nil before there is one
	unknown   uint32                            // heads that no memo knew
	answer    memo.Answer
}

// NewShared returns a Shared with these limits. Until Tick is called for the
// first time, responses carry no Date.
func NewShared(l Limits) *Shared {
	l.setDefaults()
	return &Shared{limits: l, unsent: l.Unsent}
}

// Tick sets the time. Call it at the start of a turn. The Date of responses is encoded
// once a second.
func (sh *Shared) Tick(now time.Time) { sh.date.set(now) }

// Renew replaces the memory that events lend: code that has lost the loop may still
// be reading the old one.
func (sh *Shared) Renew() { sh.gathered = nil }

// LimitUnsent sets Limits.Unsent for all connections of the loop; 0 restores the value of NewShared.
func (sh *Shared) LimitUnsent(bytes int) {
	sh.limits.Unsent = sh.unsent
	if bytes > 0 && bytes < sh.unsent {
		sh.limits.Unsent = bytes
	}
}

// Trim leaves the free storage to the garbage collector. Not while an Event is in use.
func (sh *Shared) Trim() { sh.free, sh.kept, sh.gathered = nil, 0, nil }
