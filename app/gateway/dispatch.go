package gateway

import (
	"io"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// serveRoutes answers a request by its route.
func (g *Gateway) serveRoutes(rs *routes, r *app.Request) app.Answer {
	dialer, ok := r.Loop().(spi.Dialer)
	if !ok {
		return app.Ready(g.policy.errorResponse(&refusals[NoPeer], false))
	}
	if !dialer.Enter() {
		return app.Fail(app.ErrPeerGone)
	}
	l := g.loops.of(dialer.Home())
	s, refused := rs.choose(l, r)
	noteRoute(r, s)
	var o outcome
	switch {
	case refused != nil:
		o.response = g.refuse(l, r, refused)
	case s.limits():
		dialer.Leave()
		return g.admit(l, r, s, dialer)
	default:
		o = g.act(l, r, s, dialer, &l.match)
	}
	dialer.Leave()
	return o.finish(r, s)
}

// choose finds the case for r, in l.match, and checks what can be checked without a
// backend.
func (rs *routes) choose(l *loopState, r *app.Request) (*settings, *refusal) {
	if refused := refuseMethod(r); refused != nil {
		return nil, refused
	}
	m := &l.match
	if !rs.table.Find(r, m) {
		if r.Method == "OPTIONS" && r.RawPath == "*" {
			return nil, answeredOptions
		}
		return nil, &refusals[NoRoute]
	}
	s := &rs.cases[m.Case.Index]
	core.SetPattern(r, s.route)
	if !m.Case.Raw() {
		if refused := refusePath(r.RawPath, m.Ambiguous); refused != nil {
			return nil, refused
		}
	}
	if s.maxBody > 0 && r.ContentLength > s.maxBody {
		return nil, &refusals[BodyLimit]
	}
	return s, nil
}

// outcome is what a case does with a request: a response, or builtIn, the application
// inside the process, makes one.
type outcome struct {
	response app.Answer
	builtIn  app.Handler
	ofCase   bool // it may be compressed
}

// act redirects, answers or forwards a request, as its case says. m is the match. On the
// loop, owned.
func (g *Gateway) act(l *loopState, r *app.Request, s *settings, dialer spi.Dialer, m *routing.Match) outcome {
	if status, location, ok := m.Redirection(r); ok {
		resp := app.Redirect(status, location)
		resp.Fields = s.response.Apply(resp.Fields)
		return outcome{response: g.answer(l, r, OK, resp), ofCase: true}
	}
	if s.answer != nil {
		resp := *s.answer
		resp.Fields = s.response.Apply(resp.Fields.Clone(0))
		return outcome{response: g.answer(l, r, OK, &resp), ofCase: true}
	}
	return g.forward(l, r, s, dialer, m)
}

// forward begins to forward r.
func (g *Gateway) forward(l *loopState, r *app.Request, s *settings, dialer spi.Dialer, m *routing.Match) outcome {
	x := l.take(g)
	refused := x.head.make(r, &g.policy, &l.addresses)
	if refused == nil {
		refused = x.head.change(r, m)
	}
	if refused != nil {
		l.give(x)
		return outcome{response: g.refuse(l, r, refused)}
	}
	b := s.backends[m.Case.Choose()]
	if b.builtIn != nil {
		r.Target, r.Authority = x.head.target, x.head.authority
		r.RawPath, r.RawQuery, _ = strings.Cut(r.Target, "?")
		r.Fields = s.request.Apply(r.Fields)
		r.SetTimeout(s.timeout)
		l.give(x)
		l.count(OK)
		return outcome{builtIn: b.builtIn, ofCase: true}
	}
	x.settings, x.backend = s, b
	return outcome{response: x.begin(r, dialer), ofCase: true}
}

// finish runs the built-in application and middleware, and returns the response. On the
// loop, lent to user code.
func (o *outcome) finish(r *app.Request, s *settings) app.Answer {
	f := o.response
	if !o.ofCase {
		return f
	}
	switch {
	case o.builtIn != nil:
		f = o.builtIn(r)
		if edits := s.response; edits != nil {
			f = app.Then(f, func(resp *app.Response) app.Answer {
				resp.Fields = edits.Apply(resp.Fields)
				return app.Ready(resp)
			})
		}
	case s.compress != nil && r.Method == "HEAD":
		f = app.Then(f, wrappableHead)
	case s.compress != nil:
		f = app.Then(f, wrappable)
	}
	if s.compress == nil {
		return f
	}
	return s.compress(func(*app.Request) app.Answer { return f })(r)
}

// wrappableHead gives a response to HEAD content of the length that GET would have, so that
// middleware changes its fields in the same way. The content is never read.
func wrappableHead(resp *app.Response) app.Answer {
	if resp.Content != nil || resp.Status == 204 || resp.Status == 304 {
		return app.Ready(resp)
	}
	pull := &app.Pull{Size: -1, Read: func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }}
	if length := resp.Fields.Get("Content-Length"); length != "" {
		pull.Size = octets.Decimal(length) // the client has checked it
		resp.Fields.Del("Content-Length")
	}
	resp.Content = pull
	return app.Ready(resp)
}

// wrappable gives a response content that middleware can change.
func wrappable(resp *app.Response) app.Answer {
	if c, ok := resp.Content.(*content); ok {
		resp.Content = c.Pull()
	}
	return app.Ready(resp)
}
