package app

import (
	"math"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// contentPace is the number of bytes a second at which content must arrive for the
// time of waiting not to count against the deadline.
const contentPace = 500

// contentWait measures how long a handler has waited for content of its request.
// Times are ages of the request.
type contentWait struct {
	waiting bool
	since   time.Duration // start of the present wait
	total   time.Duration // of earlier waits
	bytes   int64         // read so far
}

// time returns how long the handler has waited up to that age.
func (w *contentWait) time(age time.Duration) time.Duration {
	if w.waiting {
		return w.total + age - w.since
	}
	return w.total
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
	if reads := b.began.Load(); reads != nil && reads.wait.waiting {
		return &reads.wait
	}
	return nil
}

// waited notes that a read returned n bytes, and whether the handler waits now.
func (r *Request) waited(w *contentWait, n int, waits bool) {
	w.bytes += int64(n)
	if waits == w.waiting || r.limit == 0 {
		return
	}
	age := r.age()
	w.total = w.time(age)
	w.waiting, w.since = waits, age
	if !waits && r.head != nil && r.head.waits {
		r.head.rearm()
	}
}
