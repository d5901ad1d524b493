package middleware

import (
	"errors"

	"github.com/gatewheel/gatewheel/app"
)

// Recover answers requests whose handler or continuation has panicked with the response
// of answer, which has to log the panic. If answer returns nil, and without Recover, the
// response is 500 and the server logs the panic. answer is called on the loop.
func Recover(answer func(*app.Request, *app.PanicError) *app.Response) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			f := next.Try(r)
			if f.Ready() {
				if _, err := f.Result(); err == nil {
					return f
				}
			}
			return app.Catch(f, func(err error) app.Answer {
				var p *app.PanicError
				if errors.As(err, &p) {
					if resp := answer(r, p); resp != nil {
						return app.Ready(resp)
					}
				}
				return app.Fail(err)
			})
		}
	}
}
