package middleware

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Timeout sets the deadline of requests to d after their arrival, see
// app.Request.SetTimeout. It overrides the server's default and outer Timeouts; 0 is no
// deadline.
func Timeout(d time.Duration) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			r.SetTimeout(d)
			return next(r)
		}
	}
}
