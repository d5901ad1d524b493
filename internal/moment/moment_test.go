package moment

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// After is the sum where that can be counted, and Never beyond.
func TestAfterSaturates(t *testing.T) {
	values := []int64{0, 1, 2, 1e9, 1 << 62, 1<<62 - 1, math.MaxInt64 - 1, math.MaxInt64}
	for range 200 {
		values = append(values, rand.Int64()>>rand.IntN(63))
	}
	for _, at := range values {
		for _, magnitude := range values {
			for _, d := range []int64{magnitude, -magnitude, math.MinInt64} {
				sum := new(big.Int).Add(big.NewInt(at), big.NewInt(d))
				want := int64(Never)
				if sum.IsInt64() {
					want = sum.Int64()
				}
				if have := After(at, time.Duration(d)); have != want {
					t.Fatalf("%d after %d: %d, want %d", d, at, have, want)
				}
			}
		}
	}
}
