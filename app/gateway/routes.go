package gateway

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/spi"
)

// routes are the routes of a gateway, ready for use. They do not change.
type routes struct {
	config   *config.Config
	table    *routing.Table
	cases    []settings // by routing.Case.Index
	backends map[string]*Backend
}

// Parts are what a gateway with routes gets from outside.
type Parts struct {
	// BuiltIn is the application that target: stands for.
	BuiltIn app.Handler
	// Certificates returns what the peers of a backend over TLS are verified with, as
	// client.OriginOptions.Certificates does. t is what the backend says, nil for nothing.
	// nil verifies with the system's authorities, and is an error where t says something.
	Certificates func(t *config.TLS) (func(host string, protocols ...string) func() *tls.Config, error)
	// ReadPeers reads a file of peers; file.ReadPeers is one. nil makes such files an error.
	ReadPeers func(path string) ([]config.Peer, error)
	// CookieKey signs the cookies of balance: cookie. With the same key, gateways take each
	// other's cookies, and those from before a restart. nil is a key of the gateway alone.
	CookieKey []byte
	// Resolver looks up the names of peers; nil is discovery.System.
	Resolver *discovery.Resolver
}

// openBackend returns the backend that is described.
func openBackend(s *shared, name string, described *config.Backend, notify func(backend, peer string, event PeerEvent, err error), parts Parts) (*Backend, error) {
	if list := described.Peers.List; len(list) == 1 && list[0].URL == "target:" {
		if parts.BuiltIn == nil {
			return nil, fmt.Errorf("target: stands for nothing here")
		}
		return &Backend{client: s.client, builtIn: parts.BuiltIn}, nil
	}
	options := client.OriginOptions{
		Connect: described.Connect, Wait: described.Connect, Idle: described.Idle, Age: described.Age,
		Connections: described.Connections, HTTP1Connections: described.Connections, Streams: described.Streams,
	}
	if options.Wait == 0 {
		options.Wait = defaultConnect
	}
	if parts.Certificates != nil {
		certificates, err := parts.Certificates(described.TLS)
		if err != nil {
			return nil, err
		}
		options.Certificates = certificates
	} else if described.TLS != nil {
		return nil, fmt.Errorf("tls needs Parts.Certificates")
	}
	source, fixed, err := s.sourceOf(described, parts, func(err error) {
		if notify != nil {
			notify(name, "", PeersUnknown, err)
		}
	})
	if err != nil {
		return nil, err
	}
	b := newEmptyBackend(s, options)
	b.counted = fixed == nil || len(fixed) > 1
	b.name, b.notify, b.slowStart = name, notify, described.SlowStart
	b.sharing = sharingOf(described)
	b.setBalance(described.Balance)
	b.setEject(described.Eject)
	if described.Health != nil {
		b.checkHealth(described.Health)
	}
	if fixed != nil {
		return b, b.update(fixed)
	}
	b.watch(source)
	return b, nil
}

// setBalance sets how peers are chosen.
func (b *Backend) setBalance(c config.Balance) {
	switch c.Method {
	case config.Round:
		b.method = balanceRound
	case config.EWMA:
		b.method = balanceEWMA
	case config.Cookie:
		b.method = balanceCookie
		b.cookie = "gatewheel-" + b.name
	case config.Hash:
		b.method = balanceHash
		b.hashKind, b.hashName, _ = c.Hash.Parse() // checked before
	}
}

// setEject sets when peers are ejected; c may be nil.
func (b *Backend) setEject(c *config.Eject) {
	if c == nil {
		return
	}
	b.eject.off = c.Off
	if c.Failures > 0 {
		b.eject.failures = c.Failures
	}
	if c.For > 0 {
		b.eject.time = c.For
	}
	if c.Most > 0 {
		b.eject.most = float64(c.Most) / 100
	}
}

// defaultConnect is the time for connecting, and the longest time that a request waits for
// a connection.
const defaultConnect = 2 * time.Second

// settingsOf returns the settings of a case. Times that it does not give are those of o.
func (o *Options) settingsOf(k *routing.Case, named map[string]*Backend) settings {
	s := o.settings(nil)
	s.backends = nil
	for _, share := range k.Backends {
		s.backends = append(s.backends, named[share.Backend])
	}
	c := k.Config
	if c.Timeout > 0 {
		s.timeout = c.Timeout
	}
	if c.Idle > 0 {
		s.idle, s.tunnelIdle = c.Idle, c.Idle
	}
	if c.Retry != nil {
		s.retries = c.Retry.Tries
	}
	s.maxBody = int64(c.Body)
	s.request, s.response = k.Request, k.Response
	s.hostOfPeer = c.Rewrite.Host == backendHost
	if c.Concurrency > 0 {
		s.concurrency = &concurrency{most: int64(c.Concurrency)}
	}
	if c.Limit != nil {
		s.rate = newRateLimit(c.Limit)
	}
	if c.Respond != nil {
		s.answer = ownResponse(c.Respond)
	}
	if c.Compress {
		s.compress = compress.New(compress.Options{})
	}
	return s
}

// ownResponse returns a response of the gateway's own, whose fields are copied for each
// request.
func ownResponse(c *config.Respond) *app.Response {
	resp := app.Text(statusOf(c), c.Body)
	if c.Body == "" {
		resp = app.Empty(statusOf(c))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		resp.Fields.Set(name, c.Fields[name])
	}
	return resp
}

// backends returns the backends of g.
func (g *Gateway) backends() []*Backend {
	if rs := g.routes.Load(); rs != nil {
		return slices.Collect(maps.Values(rs.backends))
	}
	return g.single.backends
}

// serveRoutes answers a request by its route.
func (g *Gateway) serveRoutes(rs *routes, r *app.Request) app.Future[*app.Response] {
	f, s, builtIn := g.route(rs, r)
	switch {
	case builtIn != nil:
		f = builtIn(r)
		if edits := s.response; edits != nil {
			f = app.Then(f, func(resp *app.Response) app.Future[*app.Response] {
				resp.Fields = edits.Apply(resp.Fields)
				return app.Ready(resp)
			})
		}
	case s != nil && s.compress != nil:
		f = app.Then(f, wrappable)
	}
	if s == nil || s.compress == nil {
		return f
	}
	return s.compress(func(*app.Request) app.Future[*app.Response] { return f })(r)
}

// wrappable gives a response content that middleware can change.
func wrappable(resp *app.Response) app.Future[*app.Response] {
	if c, ok := resp.Content.(*content); ok {
		resp.Content = c.Pull()
	}
	return app.Ready(resp)
}

// route finds the case for r. It answers, or begins to forward, unless the built-in
// application answers, whose request is ready then. s is nil if the gateway has refused.
func (g *Gateway) route(rs *routes, r *app.Request) (f app.Future[*app.Response], s *settings, builtIn app.Handler) {
	dialer, ok := r.Loop().(spi.Dialer)
	if !ok {
		return app.Ready(g.policy.errorResponse(&refusals[NoPeer], false)), nil, nil
	}
	if !dialer.Enter() {
		return app.Failed[*app.Response](app.ErrPeerGone), nil, nil
	}
	defer dialer.Leave()
	l := g.loops.of(dialer.Home())
	s, refused := rs.choose(l, r)
	if refused != nil {
		return g.refuse(l, r, refused), nil, nil
	}
	m := &l.match
	if status, location, ok := m.Redirection(r); ok {
		resp := app.Redirect(status, location)
		resp.Fields = s.response.Apply(resp.Fields)
		return g.answer(l, r, OK, resp), s, nil
	}
	if s.answer != nil {
		resp := *s.answer
		resp.Fields = s.response.Apply(resp.Fields.Clone(0))
		return g.answer(l, r, OK, &resp), s, nil
	}
	return g.forward(l, r, s, dialer)
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
	if !m.Case.Raw() {
		if refused := refusePath(r.RawPath, m.Ambiguous); refused != nil {
			return nil, refused
		}
	}
	s := &rs.cases[m.Case.Index]
	if s.rate != nil {
		if wait := s.rate.admit(r, l.home.Now()); wait > 0 {
			return nil, s.rate.refused(wait)
		}
	}
	if s.maxBody > 0 && r.ContentLength > s.maxBody {
		return nil, &refusals[BodyLimit]
	}
	return s, nil
}

// forward begins to forward r as the case in l.match says.
func (g *Gateway) forward(l *loopState, r *app.Request, s *settings, dialer spi.Dialer) (app.Future[*app.Response], *settings, app.Handler) {
	x := l.take(g)
	refused := x.head.make(r, &g.policy, &l.addresses)
	if refused == nil {
		refused = x.head.change(r, &l.match)
	}
	var b *Backend
	if refused == nil {
		if b = s.backends[l.match.Case.Choose()]; b.builtIn == nil && !s.concurrency.enter() {
			refused = &refusals[Overflow]
		}
	}
	if refused != nil {
		l.give(x)
		return g.refuse(l, r, refused), nil, nil
	}
	if b.builtIn != nil {
		r.Target, r.Authority = x.head.target, x.head.authority
		r.RawPath, r.RawQuery, _ = strings.Cut(r.Target, "?")
		r.Fields = s.request.Apply(r.Fields)
		r.SetTimeout(s.timeout)
		l.give(x)
		l.count(OK)
		return app.Future[*app.Response]{}, s, b.builtIn
	}
	x.settings, x.backend = s, b
	return x.begin(r, dialer), s, nil
}
