// Package histogram counts durations in buckets, so cheaply that an event loop can do it for each request.
package histogram

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// The bounds of buckets are powers of two of a second, the bounds of Prometheus' native histograms of schema 0: from
// 2^Least s, a microsecond, to 2^Most s, four minutes.
const (
	Least = -20
	Most  = 8
	// Buckets is the number of buckets. Bucket 0 has durations up to 2^Least s, bucket i those up to
	// 2^(Least+i) s, and the last one the longer ones.
	Buckets = Most - Least + 2
)

// bounds are the upper bounds of buckets in nanoseconds, rounded down. The last bucket has none.
var bounds = func() (ns [Buckets - 1]uint64) {
	for i := range ns {
		ns[i] = uint64(time.Second) << i >> -Least
	}
	return ns
}()

// Bounds returns the upper bounds of buckets in seconds. The last bucket has none.
func Bounds() []float64 {
	seconds := make([]float64, len(bounds))
	for i := range seconds {
		seconds[i] = math.Ldexp(1, Least+i)
	}
	return seconds
}

// Durations counts durations. Its owner adds them; any goroutine may read it. The zero value is ready for use.
type Durations struct {
	counts [Buckets]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

// Add counts d; a negative d counts as 0. Any goroutine, at the cost of two atomic additions.
func (h *Durations) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))].Add(1)
	h.sum.Add(int64(d))
}

// bucket returns the bucket of a duration in nanoseconds.
func bucket(ns uint64) int {
	// A second has 30 bits, so the bound of bucket i has i+10 of them and a fraction.
	i := max(bits.Len64(ns)-(30+Least), 0)
	if i >= len(bounds) {
		return len(bounds)
	}
	if ns > bounds[i] {
		i++
	}
	return i
}

// Totals are the sum of any number of Durations at a time.
type Totals struct {
	Counts [Buckets]uint64 // by bucket
	Sum    time.Duration
}

// Collect adds the counts of h. Any goroutine. Durations that are added meanwhile may be in one of counts and sum only.
func (t *Totals) Collect(h *Durations) {
	for i := range h.counts {
		t.Counts[i] += h.counts[i].Load()
	}
	t.Sum += time.Duration(h.sum.Load())
}

// Add adds the counts of other.
func (t *Totals) Add(other *Totals) {
	for i := range other.Counts {
		t.Counts[i] += other.Counts[i]
	}
	t.Sum += other.Sum
}

// Count returns the number of durations.
func (t *Totals) Count() (n uint64) {
	for _, c := range t.Counts {
		n += c
	}
	return n
}
