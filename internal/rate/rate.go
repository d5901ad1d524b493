// Package rate counts requests, connections or other events against a limit of their rate, by key or one by one.
package rate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"
)

// Limit is the rate of one key's requests.
type Limit struct {
	// Interval is the time a request at an even rate.
	Interval time.Duration
	// Burst is the number of requests that may come at once.
	Burst int
}

// longest is the longest time that a burst may take at the rate.
const longest = math.MaxInt64 / 4

// NewLimit returns the limit of count requests in the time per, of which burst may come at
// once. 0 for per is a second; 0 for burst is count in a second, at least 1.
func NewLimit(count float64, per time.Duration, burst int) (Limit, error) {
	if per == 0 {
		per = time.Second
	}
	if !(count > 0) || per < 0 || burst < 0 {
		return Limit{}, errors.New("the rate and the burst must be above 0")
	}
	interval := math.Max(1, math.Round(float64(per)/count))
	if burst == 0 {
		burst = int(min(math.MaxInt32, math.Max(1, float64(time.Second)/interval)))
	}
	if interval*float64(burst) > longest {
		return Limit{}, fmt.Errorf("at that rate a burst of %d lasts for more than 70 years", burst)
	}
	return Limit{Interval: time.Duration(interval), Burst: burst}, nil
}

// Span returns the time in which a burst comes at an even rate: that after which a key that
// has sent nothing may send a burst again.
func (l Limit) Span() time.Duration { return l.Interval * time.Duration(l.Burst) }

// Outcome is what became of a request.
type Outcome struct {
	// Wait is 0 if the request passes, otherwise the time until one may.
	Wait time.Duration
	// Remaining is the number of requests that may come at once now.
	Remaining int
	// Full is the time until a whole burst may come.
	Full time.Duration
}

// Count counts a request of a key at now, which is a time of the table's clock. Any goroutine.
func (l Limit) Count(t *Table, key uint64, now int64) Outcome {
	return l.Take(&t.slot(key, now).time, now)
}

// Take counts a request at now, in nanoseconds above 0, against word. word is the time at which
// the requests that passed would be over if they had come at an even rate (GCRA); 0 at first.
// A request passes if that time is less than a burst ahead; one that does not pass leaves word
// as it is. Any goroutine.
func (l Limit) Take(word *atomic.Int64, now int64) Outcome {
	span := int64(l.Span())
	for {
		old := word.Load()
		next := max(old, now) + int64(l.Interval)
		if wait := next - now - span; wait > 0 {
			return Outcome{Wait: time.Duration(wait), Full: time.Duration(old - now)}
		}
		if word.CompareAndSwap(old, next) {
			ahead := next - now
			return Outcome{Remaining: int((span - ahead) / int64(l.Interval)), Full: time.Duration(ahead)}
		}
	}
}

// Seconds returns d in seconds, rounded up.
func Seconds(d time.Duration) string {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return strconv.FormatInt(max(0, seconds), 10)
}
