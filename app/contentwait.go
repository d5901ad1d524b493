package app

import (
	"math"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
	"github.com/gatewheel/gatewheel/internal/pace"
)

// contentPace is the number of bytes a second at which content must arrive for the
// time of waiting not to count against the deadline.
const contentPace = 500

// contentWait measures how long a handler has waited for content of its request.
// Times are ages of the request.
type contentWait struct {
	pace.Wait
	bytes int64 // read so far
}

// most returns the largest part of that time which is added to the deadline.
func (w *contentWait) most(limit time.Duration) time.Duration {
	if w.bytes == 0 {
		return 0
	}
	const perByte = time.Second / contentPace
	return moment.After(limit, time.Duration(min(w.bytes, math.MaxInt64/int64(perByte)))*perByte)
}

// waiting returns the present wait, or nil.
func (b *Body) waiting() *contentWait {
	if reads := b.began.Load(); reads != nil && reads.wait.Waiting() {
		return &reads.wait
	}
	return nil
}

// waited notes that a read returned n bytes, and whether the handler waits now.
func (r *Request) waited(w *contentWait, n int, waits bool) {
	w.bytes += int64(n)
	if waits == w.Waiting() || r.limit == 0 {
		return
	}
	w.Set(waits, r.age())
	if !waits && r.head != nil && r.head.waits {
		r.head.rearm()
	}
}
