package limit

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/rate"
)

// DefaultKeys is the default of RateOptions.Keys.
const DefaultKeys = rate.DefaultKeys

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

// Rate limits the rate of requests by a key, see package rate. Any goroutine may use it.
type Rate struct {
	table   *rate.Table
	limit   rate.Limit
	header  string
	shared  *Shared
	prefix  string // of keys in shared
	refused atomic.Uint64
}

// NewRate returns a limit.
func NewRate(o RateOptions) (*Rate, error) {
	l, err := rate.NewLimit(o.Count, o.Per, o.Burst)
	if err != nil {
		return nil, fmt.Errorf("limit: %w", err)
	}
	if o.Keys < 0 {
		return nil, errors.New("limit: the number of keys must be above 0")
	}
	if o.Header != "" && !octets.IsToken(o.Header) {
		return nil, fmt.Errorf("limit: %q is not the name of a field", o.Header)
	}
	limited := &Rate{table: rate.NewTable(o.Keys), limit: l, header: o.Header, shared: o.Shared}
	if limited.shared != nil {
		limited.prefix = fmt.Sprintf("gatewheel:%s:%d:%d:", o.Name, int64(l.Interval), l.Burst)
	}
	return limited, nil
}

// Check counts a request. The result is 0 if it may pass, otherwise the time until one may. It is
// ready unless the limit is shared, and never fails. On the loop.
func (l *Rate) Check(r *app.Request) app.Future[time.Duration] {
	key, text := l.keyOf(r)
	now := l.table.Clock(r.Loop().Now())
	if l.shared != nil {
		return l.checkShared(r, key, text, now)
	}
	return app.Ready(l.counted(l.limit.Count(l.table, key, now).Wait))
}

// keyOf returns the hash of a request's key; and the key, if it is the value of a field.
func (l *Rate) keyOf(r *app.Request) (key uint64, text string) {
	if l.header != "" {
		if text = r.Fields.Get(l.header); text != "" {
			return l.table.OfText(text), text
		}
	}
	return l.table.OfAddress(r.Client().Addr.Addr()), ""
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
	return func(r *app.Request) app.Answer {
		f := l.Check(r)
		if f.Ready() {
			if wait, _ := f.Result(); wait > 0 {
				return app.Ready(TooMany(wait))
			}
			return next(r)
		}
		return app.Then(f, func(wait time.Duration) app.Answer {
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
func RetryAfter(wait time.Duration) string { return rate.Seconds(max(wait, 1)) }

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
	return RateStats{Refused: l.refused.Load(), Evicted: l.table.Evicted()}
}
