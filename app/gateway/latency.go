package gateway

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// latency is a moving average of response times, weighted by time: what is older counts
// less, and without new samples the average falls, so that a peer that was slow is asked
// again some time. The high half of the word is the average in nanoseconds, as a float32;
// the low half is the time of the last sample, in milliseconds modulo 2^32. The zero value
// has no sample.
type latency struct{ word atomic.Uint64 }

// latencyDecay is the time in which the weight of samples falls to 1/e.
const latencyDecay = 5 * time.Second

// add adds a sample. Any goroutine.
func (l *latency) add(took time.Duration, now time.Time) {
	sample := math.Max(float64(took), 1)
	for {
		old := l.word.Load()
		mean := sample
		if old != 0 {
			weight := decay(old, now)
			mean = average(old)*weight + sample*(1-weight)
		}
		word := uint64(math.Float32bits(float32(mean)))<<32 | uint64(milliseconds(now))
		if l.word.CompareAndSwap(old, word) {
			return
		}
	}
}

// at returns the average in nanoseconds; 0 if there is no sample. Any goroutine.
func (l *latency) at(now time.Time) float64 {
	word := l.word.Load()
	if word == 0 {
		return 0
	}
	return average(word) * decay(word, now)
}

// milliseconds returns the time of a clock that only moves forward, modulo 2^32.
func milliseconds(now time.Time) uint32 { return uint32(moment.Steady(now) / int64(time.Millisecond)) }

func average(word uint64) float64 { return float64(math.Float32frombits(uint32(word >> 32))) }

// decay returns the weight that the average of a word still has.
func decay(word uint64, now time.Time) float64 {
	passed := int32(milliseconds(now) - uint32(word))
	if passed <= 0 {
		return 1 // another loop's clock is ahead
	}
	return math.Exp(-float64(passed) / float64(latencyDecay.Milliseconds()))
}
