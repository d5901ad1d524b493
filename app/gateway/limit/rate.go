package limit

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// DefaultKeys is the default of RateOptions.Keys.
const DefaultKeys = 65536

// RateOptions describe a limit of the rate of requests.
type RateOptions struct {
	// Count requests may come in the time Per. 0 for Per is a second.
	Count float64
	Per   time.Duration
	// Burst is the number of requests that may come at once. 0 is Count in a second, at least 1.
	Burst int
	// Header, if not empty, is the name of the field by whose value requests are counted. A request
	// without it, and every request if Header is empty, is counted by the client's address
	// (app.Request.Client): an IPv4 address, or the first 64 bits of an IPv6 address. Clients on
	// unix sockets count as one.
	Header string
	// Keys is the number of keys that are counted at a time. 0 is DefaultKeys. Each takes 16 bytes,
	// which are allocated at once; the number is rounded up to a power of 2. Beyond it, the key that
	// comes next to being unused is forgotten, as if it had sent no request.
	Keys int
	// Shared, if not nil, counts for several servers. The limit counts under Name: equal limits with
	// equal names count together.
	Shared *Shared
	Name   string
}

// Rate limits the rate of requests by a key. For each key it keeps the time at which the requests
// that passed would be over if they had come at an even rate (GCRA): a request passes if that time
// is less than a burst ahead. Any goroutine may use it.
type Rate struct {
	table    *table
	header   string
	interval int64 // nanoseconds a request
	span     int64 // nanoseconds a burst
	shared   *Shared
	prefix   string // of keys in shared
	refused  atomic.Uint64
}

// longest is the longest burst.
const longest = math.MaxInt64 / 4

// NewRate returns a limit.
func NewRate(o RateOptions) (*Rate, error) {
	if o.Per == 0 {
		o.Per = time.Second
	}
	if !(o.Count > 0) || o.Per < 0 || o.Burst < 0 || o.Keys < 0 {
		return nil, errors.New("limit: the rate, the burst and the number of keys must be above 0")
	}
	if o.Header != "" && !octets.IsToken(o.Header) {
		return nil, fmt.Errorf("limit: %q is not the name of a field", o.Header)
	}
	interval := math.Max(1, math.Round(float64(o.Per)/o.Count))
	if o.Burst == 0 {
		o.Burst = int(min(math.MaxInt32, math.Max(1, float64(time.Second)/interval)))
	}
	span := interval * float64(o.Burst)
	if span > longest {
		return nil, fmt.Errorf("limit: at that rate a burst of %d lasts for more than 70 years", o.Burst)
	}
	if o.Keys == 0 {
		o.Keys = DefaultKeys
	}
	l := &Rate{table: newTable(o.Keys), header: o.Header, interval: int64(interval), span: int64(span), shared: o.Shared}
	if l.shared != nil {
		l.prefix = fmt.Sprintf("gatewheel:%s:%d:%d:", o.Name, l.interval, o.Burst)
	}
	return l, nil
}

// Check counts a request. The result is 0 if it may pass, otherwise the time until one may. It is
// ready unless the limit is shared, and never fails. On the loop.
func (l *Rate) Check(r *app.Request) app.Future[time.Duration] {
	key, text := l.keyOf(r)
	now := l.table.clock(r.Loop().Now())
	if l.shared != nil {
		return l.checkShared(r, key, text, now)
	}
	return app.Ready(l.counted(l.admit(key, now)))
}

// keyOf returns the hash of a request's key; and the key, if it is the value of a field.
func (l *Rate) keyOf(r *app.Request) (key uint64, text string) {
	if l.header != "" {
		if text = r.Fields.Get(l.header); text != "" {
			return l.table.ofText(text), text
		}
	}
	return l.table.ofAddress(r.Client().Addr.Addr()), ""
}

// admit counts a request at now, and returns 0 or the time to wait.
func (l *Rate) admit(key uint64, now int64) time.Duration {
	word := &l.table.slot(key, now).time
	for {
		old := word.Load()
		next := max(old, now) + l.interval
		if wait := next - now - l.span; wait > 0 {
			return time.Duration(wait)
		}
		if word.CompareAndSwap(old, next) {
			return 0
		}
	}
}

// counted counts a refusal.
func (l *Rate) counted(wait time.Duration) time.Duration {
	if wait > 0 {
		l.refused.Add(1)
	}
	return wait
}

// Middleware answers requests beyond the limit with 429 and Retry-After.
func (l *Rate) Middleware(next app.Handler) app.Handler {
	return func(r *app.Request) app.Future[*app.Response] {
		f := l.Check(r)
		if f.Ready() {
			if wait, _ := f.Result(); wait > 0 {
				return app.Ready(TooMany(wait))
			}
			return next(r)
		}
		return app.Then(f, func(wait time.Duration) app.Future[*app.Response] {
			if wait > 0 {
				return app.Ready(TooMany(wait))
			}
			return next(r)
		})
	}
}

// TooMany returns the response to a request that may be sent again after wait: 429 (RFC 6585
// section 4).
func TooMany(wait time.Duration) *app.Response {
	return app.Error(429, "too many requests").With("Retry-After", RetryAfter(wait))
}

// RetryAfter returns the value of Retry-After for wait: seconds, rounded up, at least 1.
func RetryAfter(wait time.Duration) string {
	seconds := int64(wait / time.Second)
	if wait%time.Second > 0 || seconds <= 0 {
		seconds++
	}
	return strconv.FormatInt(max(1, seconds), 10)
}

// RateStats are counters since the start.
type RateStats struct {
	// Refused is the number of requests beyond the limit.
	Refused uint64
	// Evicted is the number of keys that were forgotten though they counted. If it grows, Keys is
	// too small, or a client makes keys up.
	Evicted uint64
}

// Stats returns the counters. Any goroutine.
func (l *Rate) Stats() RateStats {
	return RateStats{Refused: l.refused.Load(), Evicted: l.table.evicted.Load()}
}
