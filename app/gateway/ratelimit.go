package gateway

import (
	"hash/maphash"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// rateLimit limits the rate of requests by a key, with a generic cell rate algorithm: each
// key has the time at which its requests so far would have come at the permitted rate. All
// loops share it by atomics. It remembers a bounded number of keys: of those that share a
// place, the one with the fewest requests lately is forgotten.
type rateLimit struct {
	interval int64 // nanoseconds between requests at the permitted rate
	burst    int64 // nanoseconds that a key may be ahead
	kind     config.KeyKind
	field    string // of ByHeader
	seed     maphash.Seed
	places   []ratePlace
}

// ratePlace has the keys with the same low bits of their hashes.
type ratePlace [8]rateEntry

type rateEntry struct {
	key atomic.Uint64 // hash of the key; 0: none
	due atomic.Int64  // nanoseconds since 1970
}

// ratePlaces is the number of places of a rateLimit: room for 16,384 keys in 256 KiB.
const ratePlaces = 2048

func newRateLimit(c *config.Limit) *rateLimit {
	kind, field, _ := c.Key.Parse() // checked before
	interval := float64(c.Rate.Per) / c.Rate.Count
	burst := float64(c.Burst)
	if c.Burst == 0 {
		burst = math.Max(1, math.Ceil(float64(time.Second)/interval))
	}
	return &rateLimit{
		interval: max(1, int64(interval)),
		burst:    int64(math.Min(burst*interval, math.MaxInt64/4)),
		kind:     kind, field: field,
		seed:   maphash.MakeSeed(),
		places: make([]ratePlace, ratePlaces),
	}
}

// admit counts a request. It returns 0, or the time after which one would be admitted. It
// does not allocate.
func (l *rateLimit) admit(r *app.Request, now time.Time) (wait time.Duration) {
	at := now.UnixNano()
	e := l.entry(l.hash(r), at)
	for {
		due := e.due.Load()
		next := max(due, at) + l.interval
		if ahead := next - at; ahead > l.burst {
			return time.Duration(ahead - l.burst)
		}
		if e.due.CompareAndSwap(due, next) {
			return 0
		}
	}
}

// hash returns the hash of r's key, which is never 0.
func (l *rateLimit) hash(r *app.Request) uint64 {
	var h uint64
	if l.kind == config.ByHeader {
		h = maphash.String(l.seed, r.Fields.Get(l.field))
	} else {
		address := r.Client().Addr.Addr().Unmap().As16()
		h = maphash.Bytes(l.seed, address[:])
	}
	return max(h, 1)
}

// entry returns the entry of a key, which may displace another one.
func (l *rateLimit) entry(key uint64, now int64) *rateEntry {
	place := &l.places[key%uint64(len(l.places))]
	for {
		oldest := &place[0]
		for i := range place {
			e := &place[i]
			if e.key.Load() == key {
				return e
			}
			if e.due.Load() < oldest.due.Load() {
				oldest = e
			}
		}
		taken := oldest.key.Load()
		if oldest.key.CompareAndSwap(taken, key) {
			if oldest.due.Load() > now {
				oldest.due.Store(now) // the new key owes nothing
			}
			return oldest
		}
	}
}

// refused is the refusal of a request that may come again after wait.
func (l *rateLimit) refused(wait time.Duration) *refusal {
	seconds := int64((wait + time.Second - 1) / time.Second)
	f := refusals[RateLimit]
	f.fields = app.Fields{{Name: retryAfterName, Value: strconv.FormatInt(max(seconds, 1), 10)}}
	return &f
}
