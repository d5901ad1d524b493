package middleware

import (
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// LimitConcurrency limits the number of requests, on all loops, that wait for the head of
// their response to n. Others are answered with 503 and Retry-After. A request stops
// counting when it ends, even if its future is still pending.
func LimitConcurrency(n int64) app.Middleware {
	return func(next app.Handler) app.Handler {
		var waiting atomic.Int64
		return func(r *app.Request) app.Answer {
			if waiting.Add(1) > n {
				waiting.Add(-1)
				return app.Fail(app.ErrPoolFull)
			}
			f := next.Try(r)
			if f.Ready() {
				waiting.Add(-1)
				return f
			}
			p := &place{waiting: &waiting}
			if !core.Attach(r, &p.ending, p) {
				waiting.Add(-1)
				return f
			}
			return app.Finally(f, func() {
				if core.Detach(r, &p.ending) {
					waiting.Add(-1)
				}
			})
		}
	}
}

// place is the place of a waiting request.
type place struct {
	ending  ending.Entry
	waiting *atomic.Int64
}

// Ended implements ending.Listener.
func (p *place) Ended(error) { p.waiting.Add(-1) }
