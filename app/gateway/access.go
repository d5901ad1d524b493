package gateway

import (
	"encoding/json"
	"path/filepath"
	"slices"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
)

// access has what the cases of a gateway share: equal descriptions of authentication, and
// equal servers that count for several gateways, are opened once. It does not change once
// the routes are in use.
type access struct {
	checkers map[string]auth.Checker  // by description
	shared   map[string]*limit.Shared // by URL
}

func newAccess() access {
	return access{checkers: map[string]auth.Checker{}, shared: map[string]*limit.Shared{}}
}

// closeExcept closes what is not in kept. It blocks for a short time.
func (a access) closeExcept(kept access) {
	for key, c := range a.checkers {
		if kept.checkers[key] != c {
			c.Close()
		}
	}
	for url, s := range a.shared {
		if kept.shared[url] != s {
			s.Close()
		}
	}
}

// checker returns the authentication that is described, that of old if it is the same.
func (b *builder) checker(described *config.Auth) (auth.Checker, error) {
	text, err := json.Marshal(described)
	if err != nil {
		return nil, err
	}
	key := string(text)
	if c := b.made.checkers[key]; c != nil {
		return c, nil
	}
	if described.Ask != (config.Ask{}) {
		// It has no state, and its backend may be another one.
		return auth.NewAsk(auth.AskOptions{Target: described.Ask.Path, Copy: described.Copy, Send: b.backends[described.Ask.Backend].send}), nil
	}
	c := b.old.access.checkers[key]
	if c == nil {
		if c, err = b.openChecker(described); err != nil {
			return nil, err
		}
	}
	b.made.checkers[key] = c
	return c, nil
}

func (b *builder) openChecker(described *config.Auth) (auth.Checker, error) {
	if j := described.JWT; j != nil {
		jwks := j.JWKS
		if !auth.IsURL(jwks) {
			jwks = b.parts.path(jwks)
		}
		return checkerOrNil(auth.OpenJWT(auth.JWTOptions{
			JWKS: jwks, Issuer: j.Issuer, Audience: j.Audience, Claims: j.Claims, Warn: b.options.warns("auth: jwt " + j.JWKS),
		}))
	}
	return checkerOrNil(auth.OpenBasic(auth.BasicOptions{File: b.parts.path(described.Basic), Warn: b.options.warns("auth: basic " + described.Basic)}))
}

// checkerOrNil returns c as an interface, which is nil on an error.
func checkerOrNil[T auth.Checker](c T, err error) (auth.Checker, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// rate returns the limit that a case of a route describes: that of before, which is nil or
// has the same.
func (b *builder) rate(route string, described *config.Limit, before *settings) (*limit.Rate, error) {
	_, header, err := described.Key.Parse()
	if err != nil {
		return nil, err
	}
	o := limit.RateOptions{Count: described.Rate.Count, Per: described.Rate.Per, Burst: described.Burst, Header: header}
	if described.Shared != "" {
		// Not the number of the case: gateways may read a changed file one after the other.
		o.Name = route
		if o.Shared, err = b.sharedLimit(described.Shared); err != nil {
			return nil, err
		}
	}
	if before != nil {
		return before.rate, nil
	}
	return limit.NewRate(o)
}

// sharedLimit returns the server of that URL, that of old if there is one.
func (b *builder) sharedLimit(url string) (s *limit.Shared, err error) {
	if s = b.made.shared[url]; s != nil {
		return s, nil
	}
	if s = b.old.access.shared[url]; s == nil {
		if s, err = limit.OpenShared(limit.SharedOptions{URL: url, Warn: b.options.warns("limit: shared " + redacted(url))}); err != nil {
			return nil, err
		}
	}
	b.made.shared[url] = s
	return s, nil
}

// warns returns a function that passes failures of a subject to Options.Warn.
func (o *Options) warns(subject string) func(error) {
	if o.Warn == nil {
		return nil
	}
	return func(err error) { o.Warn(subject, err) }
}

// path returns the path of a file that a config.Config names.
func (p *Parts) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.Directory, name)
}

// send sends a request of the gateway's own to a peer of b on behalf of r. If the peer surely
// has not processed it, another peer gets it. On the loop, as user code.
func (b *Backend) send(r *app.Request, req *client.Request) app.Future[*client.Response] {
	return b.sendTo(r, req, nil)
}

func (b *Backend) sendTo(r *app.Request, req *client.Request, last *peer) app.Future[*client.Response] {
	began := r.Loop().Now()
	p, probe := b.choose(r, last, began)
	if p == nil {
		return app.Failed[*client.Response](&client.Error{Kind: client.NoPeer, Safe: true})
	}
	req.Origin = p.origin
	return app.After(b.client.Do(r, req), func(resp *client.Response, err error) app.Future[*client.Response] {
		now := r.Loop().Now()
		failure := asClientError(err)
		judged := resp != nil && p.judge(resp.Status, probe, now.Sub(began), now)
		p.leaveAfter(judged, probe, failureReason(failure), failure, now)
		if failure != nil && failure.Safe && failure.Kind != client.ClientGone && last == nil && b.hasOther(p) {
			return b.sendTo(r, req, p)
		}
		if err != nil {
			return app.Failed[*client.Response](err)
		}
		return app.Ready(resp)
	})
}

// hasOther reports whether b has another peer than p.
func (b *Backend) hasOther(p *peer) bool {
	return slices.ContainsFunc(b.set.Load().peers, func(q *peer) bool { return q != p })
}
