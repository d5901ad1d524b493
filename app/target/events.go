package target

import (
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
)

// numbers sends the numbers from 1 to n as events, one at each interval every. A client that reconnects gets those
// after its Last-Event-ID, and 204, which ends its reconnecting, after the last one.
func numbers(r *app.Request) app.Answer {
	p := params{r: r}
	last := p.number("n", maxMessages, 1, maxMessages)
	every := p.duration("every", time.Second)
	if p.err != nil {
		return p.refusal()
	}
	sent, _ := strconv.Atoi(events.LastID(r))
	if sent = max(sent, 0); sent >= last {
		return app.Ready(app.Empty(204))
	}
	return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
		return app.While(func() app.Future[bool] {
			sent++
			number := strconv.Itoa(sent)
			accepted := s.Send(events.Event{ID: number, Data: number})
			return app.Then(accepted, func(app.Done) app.Future[bool] {
				if sent == last {
					return app.Ready(false)
				}
				return pause(s, every)
			})
		})
	}))
}

// pause waits for d, and reports whether the stream is still open.
func pause(s *events.Stream, d time.Duration) app.Future[bool] {
	return app.Map(app.Sleep(s.Request(), d), func(app.Done) (bool, error) { return !s.Closed().Ready(), nil })
}
