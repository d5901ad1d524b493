package histogram

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestDurationsAreInTheBucketOfTheirBound(t *testing.T) {
	check := func(ns uint64) {
		t.Helper()
		want := 0
		for want < Buckets-1 && float64(ns)/1e9 > math.Ldexp(1, Least+want) {
			want++
		}
		if got := bucket(ns); got != want {
			t.Errorf("%d ns are in bucket %d, want %d", ns, got, want)
		}
	}
	for exponent := range 63 {
		for _, offset := range []int64{-1, 0, 1} {
			if ns := int64(1)<<exponent + offset; ns >= 0 {
				check(uint64(ns))
			}
		}
	}
	for _, bound := range bounds {
		check(bound)
		check(bound + 1)
	}
	for range 10000 {
		check(rand.Uint64() >> (1 + rand.IntN(63)))
	}
}

func TestTotalsAreThoseOfAllDurations(t *testing.T) {
	var a, b Durations
	a.Add(time.Millisecond)
	a.Add(time.Hour)
	b.Add(time.Millisecond)
	b.Add(-time.Second)
	var total Totals
	total.Collect(&a)
	total.Collect(&b)
	if total.Count() != 4 || total.Sum != time.Hour+2*time.Millisecond {
		t.Errorf("%d durations of %v together", total.Count(), total.Sum)
	}
	if total.Counts[0] != 1 || total.Counts[bucket(1e6)] != 2 || total.Counts[Buckets-1] != 1 {
		t.Errorf("buckets: %v", total.Counts)
	}
	twice := total
	twice.Add(&total)
	if twice.Count() != 8 || twice.Sum != 2*total.Sum {
		t.Errorf("twice: %d durations of %v", twice.Count(), twice.Sum)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	var h Durations
	if n := testing.AllocsPerRun(100, func() { h.Add(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var h Durations
	for i := range b.N {
		h.Add(time.Duration(i) * time.Microsecond)
	}
}
