package target

import (
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// timing is the query parameter that asks for Server-Timing.
const timing = "timing"

// timed adds the server's own times to responses of h, where ?timing=1 asks for them.
func (t *target) timed(h app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		if r.RawQuery == "" {
			return h(r)
		}
		p := params{r: r}
		wanted := p.flag(timing)
		if p.err != nil {
			return p.refusal()
		}
		if !wanted {
			return h(r)
		}
		start := t.config.Now()
		return app.Map(h(r), func(resp *app.Response) (*app.Response, error) {
			return withTiming(resp, r.Arrived, start, t.config.Now()), nil
		})
	}
}

// withTiming returns a copy of resp with a Server-Timing field (https://www.w3.org/TR/server-timing/), in
// milliseconds: queue is from the request's head to its handler, handler until the response is there, and
// first-byte both, after which the response's head is sent.
func withTiming(resp *app.Response, arrived, start, end time.Time) *app.Response {
	timed := *resp
	timed.Fields = append(app.Fields(nil), resp.Fields...)
	queue, total := start.Sub(arrived), end.Sub(arrived)
	return timed.WithAdded("Server-Timing", fmt.Sprintf("queue;dur=%s, handler;dur=%s, first-byte;dur=%s",
		milliseconds(queue), milliseconds(total-queue), milliseconds(total)))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(max(d, 0))/float64(time.Millisecond))
}
