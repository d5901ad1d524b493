// Package moment adds durations to times that are counted in nanoseconds.
package moment

import (
	"math"
	"time"
)

// Never is later than every moment.
const Never = math.MaxInt64

// After returns the moment d after at, or Never if the sum is too large for an int64. at counts nanoseconds
// from any start.
func After[T ~int64](at T, d time.Duration) T {
	sum := at + T(d)
	if d > 0 && sum < at {
		return Never
	}
	return sum
}
