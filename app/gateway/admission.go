package gateway

import (
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// limits reports whether a request needs permission: from the rate, the number of requests
// in progress, or the authentication of its case, asked in this order.
func (s *settings) limits() bool { return s.rate != nil || s.concurrency != nil || s.auth != nil }

// admit asks for the permission of a request, whose case is in l.match, and then acts on it
// or refuses it. A permission that is ready costs no allocation. On the loop, lent to user
// code.
func (g *Gateway) admit(l *loopState, r *app.Request, s *settings, dialer spi.Dialer) app.Answer {
	if s.rate != nil {
		f := s.rate.Check(r)
		if !f.Ready() {
			w := g.wait(l, r, s, dialer)
			if w == nil {
				return app.Fail(app.ErrPeerGone)
			}
			return app.After(f, w.rated)
		}
		if wait, _ := f.Result(); wait > 0 {
			return g.refuse(l, r, refuseFor(wait))
		}
	}
	if s.concurrency != nil && !s.concurrency.Enter(r) {
		return g.refuse(l, r, &refusals[Overflow])
	}
	if s.auth == nil {
		return g.admitted(l, r, s, dialer, nil)
	}
	f := s.auth.Check(r)
	if !f.Ready() {
		w := g.wait(l, r, s, dialer)
		if w == nil {
			return app.Fail(app.ErrPeerGone)
		}
		return app.After(f, w.checked)
	}
	resp, err := f.Result()
	if resp == nil && err == nil {
		return g.admitted(l, r, s, dialer, nil)
	}
	return g.denied(l, r, resp, err)
}

// admitted acts on a request that has permission. m is its match; nil is l.match.
func (g *Gateway) admitted(l *loopState, r *app.Request, s *settings, dialer spi.Dialer, m *routing.Match) app.Answer {
	if !dialer.Enter() {
		return app.Fail(app.ErrPeerGone)
	}
	if m == nil {
		m = &l.match
	}
	o := g.act(l, r, s, dialer, m)
	dialer.Leave()
	return o.finish(r, s)
}

// waiting is a request that waits for permission. Its content is not read meanwhile.
type waiting struct {
	g      *Gateway
	l      *loopState
	r      *app.Request
	s      *settings
	dialer spi.Dialer
	match  routing.Match
}

// wait copies l.match, which other requests overwrite meanwhile. It returns nil if the loop
// was taken over from the caller.
func (g *Gateway) wait(l *loopState, r *app.Request, s *settings, dialer spi.Dialer) *waiting {
	w := &waiting{g: g, l: l, r: r, s: s, dialer: dialer}
	if !dialer.Enter() {
		return nil
	}
	l.match.CopyTo(&w.match)
	dialer.Leave()
	return w
}

// rated goes on when the rate has answered.
func (w *waiting) rated(wait time.Duration, err error) app.Answer {
	switch {
	case err != nil:
		return w.g.denied(w.l, w.r, nil, err)
	case wait > 0:
		return w.g.refuse(w.l, w.r, refuseFor(wait))
	case w.s.concurrency != nil && !w.s.concurrency.Enter(w.r):
		return w.g.refuse(w.l, w.r, &refusals[Overflow])
	case w.s.auth == nil:
		return w.g.admitted(w.l, w.r, w.s, w.dialer, &w.match)
	}
	return app.After(w.s.auth.Check(w.r), w.checked)
}

// checked goes on when the authentication has answered.
func (w *waiting) checked(resp *app.Response, err error) app.Answer {
	if resp == nil && err == nil {
		return w.g.admitted(w.l, w.r, w.s, w.dialer, &w.match)
	}
	return w.g.denied(w.l, w.r, resp, err)
}

// refuseFor returns the refusal of a request that may come again after that time.
func refuseFor(wait time.Duration) *refusal {
	f := refusals[RateLimit]
	f.fields = app.Fields{{Name: retryAfterName, Value: limit.RetryAfter(wait)}}
	return &f
}

// denied answers with resp, the response of the authentication, or with that of err, its
// failure.
func (g *Gateway) denied(l *loopState, r *app.Request, resp *app.Response, err error) app.Answer {
	reason := Auth
	if err != nil {
		if reason = reasonOfPermission(err); reason == ClientGone {
			l.count(reason)
			noteAnswer(r, reason)
			if g.ended != nil {
				g.ended(r, reason, err)
			}
			return app.Fail(err)
		}
		resp = app.ErrorResponse(err)
	}
	if resp.Status >= 300 && isGRPC(r.Fields.Get(contentTypeName)) {
		if c, ok := resp.Content.(interface{ Close() error }); ok {
			_ = c.Close()
		}
		resp = grpcResponse(grpcStatus(reason, resp.Status), octets.StatusText(resp.Status))
	}
	if g.policy.proxyStatus {
		resp.Fields = append(resp.Fields, app.Field{Name: proxyStatusName, Value: g.policy.proxyStatusOf(reason)})
	}
	l.count(reason)
	noteAnswer(r, reason)
	if g.ended != nil {
		g.ended(r, reason, err)
	}
	return app.Ready(resp)
}

// reasonOfPermission returns the Reason of a request whose authentication or limit has
// failed with err.
func reasonOfPermission(err error) Reason {
	if failure, ok := errors.AsType[*client.Error](err); ok {
		return reasonOf(failure) // of the backend that was asked
	}
	switch {
	case errors.Is(err, app.ErrPoolFull):
		return Overflow
	case errors.Is(err, app.ErrPeerGone), errors.Is(err, app.ErrRequestDone):
		return ClientGone
	}
	return Auth
}
