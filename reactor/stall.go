package reactor

import "time"

// StallReport describes a stall: a turn of a loop that takes longer than Config.StallWarn.
type StallReport struct {
	Loop    int
	For     time.Duration // so far
	Stopped bool          // the loop was taken from the code that has stalled it
	What    string        // what the code runs for; may be empty
	Stack   string        // of the code, or the reason for its absence
}
