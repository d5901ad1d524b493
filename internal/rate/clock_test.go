package rate

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/clockjump"
)

// Somebody sets the clock of the system by hours: buckets fill as before.
func TestBucketsWhenTheClockIsSet(t *testing.T) {
	var table Table
	now := time.Now()
	start := table.Clock(now)
	for _, leap := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		if passed := table.Clock(clockjump.Set(now.Add(time.Second), leap)) - start; passed != int64(time.Second) {
			t.Errorf("a leap of %v: %v have passed, not a second", leap, time.Duration(passed))
		}
	}
}
