package middleware

import (
	"github.com/gatewheel/gatewheel/app"
)

// LimitBody limits the content of requests to that number of bytes. If a request declares
// more, it is answered with 413 before the handler runs; otherwise reading beyond the
// limit fails with a *app.StatusError (413).
func LimitBody(bytes int64) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			if r.ContentLength > bytes {
				return app.Fail(app.Statusf(413, "the request's content is larger than %d bytes", bytes))
			}
			r.Body.Limit(bytes)
			return next(r)
		}
	}
}
