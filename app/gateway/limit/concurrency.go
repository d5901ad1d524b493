package limit

import (
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Attach(r *app.Request, e *ending.Entry, listener ending.Listener) bool
})

// Concurrency limits the number of requests under way, on all loops. A request counts until its
// response has ended, a WebSocket until it is closed; with middleware.LimitConcurrency it counts
// until the head of its response is ready. Any goroutine may use it.
type Concurrency struct {
	limit   int64
	current atomic.Int64
	refused atomic.Uint64
	places  sync.Pool // of *place
}

// NewConcurrency returns a limit of n requests.
func NewConcurrency(n int) *Concurrency { return &Concurrency{limit: int64(n)} }

// place is the place of a request under way.
type place struct {
	ending ending.Entry
	in     *Concurrency
}

// Ended implements ending.Listener.
func (p *place) Ended(error) {
	c := p.in
	c.current.Add(-1)
	c.places.Put(p)
}

// Enter counts a request, unless that many are under way: then it reports false, and the answer is
// 503. On the loop, once for each request.
func (c *Concurrency) Enter(r *app.Request) bool {
	if c.current.Add(1) > c.limit {
		c.current.Add(-1)
		c.refused.Add(1)
		return false
	}
	p, ok := c.places.Get().(*place)
	if !ok {
		p = &place{in: c}
	}
	if !core.Attach(r, &p.ending, p) {
		p.Ended(nil)
	}
	return true
}

// Middleware answers requests beyond the limit with 503 and Retry-After.
func (c *Concurrency) Middleware(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		if !c.Enter(r) {
			return app.Fail(app.ErrPoolFull)
		}
		return next(r)
	}
}

// Current returns the number of requests under way, and Refused that of those beyond the limit so
// far. Any goroutine.
func (c *Concurrency) Current() int64 { return max(0, min(c.limit, c.current.Load())) }

// Refused returns the number of requests beyond the limit so far. Any goroutine.
func (c *Concurrency) Refused() uint64 { return c.refused.Load() }
