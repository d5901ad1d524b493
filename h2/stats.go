package h2

// Stats counts over all connections of a loop, which alone reads and writes it.
type Stats struct {
	Connections uint64 // Init was called
	Streams     uint64 // requests that reached the application
	Completed   uint64 // responses that were sent whole
	Refused     uint64 // streams above MaxConcurrentStreams
	TooLarge    uint64 // field sections above the limits, answered with 431
	Malformed   uint64 // stream errors that the peer made
	PeerResets  uint64 // streams that the peer reset before they were complete
	Stalled     uint64 // responses given up since the peer's windows stayed closed

	ConnErrors uint64          // connections ended for an error
	Calmed     [budgets]uint64 // connections ended with ENHANCE_YOUR_CALM, by Budget
}

// Budget names a kind of behaviour that is harmless in small numbers and an attack in large
// ones; it indexes Stats.Calmed.
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
	QueueBudget                  // answers that wait because the peer reads nothing (CVE-2019-9517)
	budgets
)

// Budgets is how many kinds there are.
const Budgets = int(budgets)

var budgetNames = [budgets]string{
	"reset", "provoked", "refused", "oversize", "block", "ping", "settings", "empty", "priority",
	"window", "stray", "unknown", "queue",
}

// String gives the budget's name, as metrics show it.
func (b Budget) String() string {
	if b < budgets {
		return budgetNames[b]
	}
	return "budget?"
}
