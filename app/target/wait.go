package target

import (
	"context"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// delay answers after a timer on the loop.
func delay(r *app.Request) app.Answer {
	dist, err := durations("the delay", r.PathValue(parameter))
	p := params{r: r, err: err}
	draw := p.draw()
	if p.err != nil {
		return p.refusal()
	}
	d := dist.at(draw())
	return app.Map(app.Sleep(r, d), func(app.Done) (*app.Response, error) {
		return app.Text(200, "after "+d.String()+"\n"), nil
	})
}

// offload answers after a sleep that blocks a goroutine of the pool.
func offload(r *app.Request) app.Answer {
	d, err := duration("the duration", r.PathValue(parameter))
	if err != nil {
		return app.Fail(err)
	}
	return app.Offload(r, func(ctx context.Context) (*app.Response, error) {
		over := time.After(d)
		select {
		case <-over:
		case <-ctx.Done():
			if cause := context.Cause(ctx); cause != app.ErrHalfClosed {
				return nil, cause
			}
			// A half-closed peer still reads.
			<-over
		}
		return app.Text(200, "after "+d.String()+" in the pool\n"), nil
	})
}
