package h2

import "time"

// Stats has the counters of all connections of a loop in one role. Only the loop reads and writes it.
type Stats struct {
	Connections uint64 // calls of Init
	Streams     uint64 // requests that reached the application, or were sent by it
	Completed   uint64 // messages of ours that were encoded to their end
	Refused     uint64 // streams above MaxConcurrentStreams; not of clients
	TooLarge    uint64 // field sections above the limits; servers answer with 431
	Malformed   uint64 // stream errors of the peer
	PeerResets  uint64 // streams that the peer reset before they were complete
	Stalled     uint64 // streams reset because the peer's windows stayed closed

	ResetsSent     [CodeKinds]uint64 // RST_STREAM frames, by CodeKind
	ResetsReceived [CodeKinds]uint64 // those of open streams
	StreamWindow   Blockage          // content that the window of its stream has held up
	ConnWindow     Blockage          // content that the window of its connection has held up

	ConnErrors uint64          // connections ended for an error
	Calmed     [budgets]uint64 // connections ended with ENHANCE_YOUR_CALM, by Budget
}

// Blockage counts how often a window of the peer's was too small for waiting content, and for how long together. Its
// clock is that of Shared.Tick.
type Blockage struct {
	Times  uint64
	Lasted time.Duration // of those that are over, and did not end with their connection
}

// CodeKinds is the number of error codes that are counted each: those of RFC 9113, and one for all others.
const CodeKinds = len(codeNames) + 1

// CodeKind returns the index of a code in Stats.ResetsSent and ResetsReceived.
func CodeKind(code ErrCode) int { return min(int(code), len(codeNames)) }

// Budget is a kind of behaviour that is harmless in small numbers and an attack in large ones. It
// indexes Stats.Calmed.
type Budget uint8

const (
	ResetBudget    Budget = iota // requests that the peer resets (CVE-2023-44487)
	ProvokedBudget               // streams that the peer's mistakes make us reset (CVE-2025-8671)
	RefusedBudget                // streams above the limit, or after our last GOAWAY
	OversizeBudget               // field sections above the limit
	BlockBudget                  // header blocks in too many or too large CONTINUATION frames (CVE-2024-27316)
	PingBudget                   // PING (CVE-2019-9512)
	SettingsBudget               // SETTINGS (CVE-2019-9515)
	EmptyBudget                  // frames without content (CVE-2019-9518)
	PriorityBudget               // PRIORITY and PRIORITY_UPDATE (CVE-2019-9513)
	WindowBudget                 // WINDOW_UPDATE (CVE-2019-9511)
	StrayBudget                  // frames for streams that are closed
	UnknownBudget                // frames of unknown types
	QueueBudget                  // queued answers that the peer does not read (CVE-2019-9517)
	budgets
)

// Budgets is the number of kinds.
const Budgets = int(budgets)

var budgetNames = [budgets]string{
	"reset", "provoked", "refused", "oversize", "block", "ping", "settings", "empty", "priority",
	"window", "stray", "unknown", "queue",
}

// String returns the label of the budget in metrics.
func (b Budget) String() string {
	if b < budgets {
		return budgetNames[b]
	}
	return "budget?"
}
