package gateway

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/internal/reuse"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Options are what a gateway does with requests. The zero value is ready for use.
type Options struct {
	// Via is the pseudonym of the gateway in Via (RFC 9110 section 7.6.3), a token. A
	// request whose Via names it has passed the gateway before and is answered with 508,
	// so gateways that follow each other have different ones. The default is "gatewheel-"
	// and a random number.
	Via string
	// Forwarded adds Forwarded (RFC 7239) besides X-Forwarded-For, -Proto and -Host.
	Forwarded bool
	// ProxyStatus adds Proxy-Status (RFC 9209) to responses.
	ProxyStatus bool
	// RawPaths forwards paths that servers may understand differently, see PathFaults;
	// else the answer is 400.
	RawPaths bool
	// Timeout is the time from the arrival of a request, or from the last content that was
	// sent of it, to the head of the response, all tries included; then the answer is 504.
	// grpc-timeout shortens it. 0 means 60 s, a negative value no limit.
	Timeout time.Duration
	// Idle ends an exchange whose response has begun and in which nothing was sent or
	// received for that time. 0 means 60 s, a negative value no limit.
	Idle time.Duration
	// TunnelIdle is Idle for WebSockets. 0 means 1 h.
	TunnelIdle time.Duration
	// Retries is the number of further tries of a request, besides those that are made
	// because the first connection has not taken it. 0 means 1, a negative value none.
	Retries int
	// Ended, if not nil, is called when an exchange has ended, for logs. err may be nil.
	// It is called on the loop, as part of the gateway: it must not block. r has no Fields if
	// a tunnel was open.
	Ended func(r *app.Request, reason Reason, err error)
	// PeerChanged, if not nil, is called when a peer of a backend is ejected, returns, or is
	// found unhealthy or healthy again, for logs. err, which may be nil, says why. It is
	// called on a loop or on a goroutine of health checks: it must not block.
	PeerChanged func(backend, peer string, event PeerEvent, err error)
	// Warn, if not nil, is called when passwords, keys of tokens or the server of a shared
	// limit cannot be read or asked, and with nil when they can be again. subject is the key of
	// the file and its value. What was known stays in use; a shared limit lets requests pass. It
	// is not called on a loop.
	Warn func(subject string, err error)
}

const (
	defaultTimeout    = 60 * time.Second
	defaultIdle       = 60 * time.Second
	defaultTunnelIdle = time.Hour
)

// orDefault returns d, byDefault for 0, and 0, which is no limit, for a negative d.
func orDefault(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return 0
	}
	return d
}

// Gateway forwards requests to the peers of a backend, or as a config.Config says. Any
// goroutine may use it.
type Gateway struct {
	policy policy
	single settings               // of New
	routes atomic.Pointer[routes] // nil: each request goes to the backend of single
	change sync.Mutex             // for Reload
	source opened                 // what routes are made of
	ended  func(r *app.Request, reason Reason, err error)
	loops  loops
}

// To returns a handler that forwards requests to the backend.
func To(b *Backend, o Options) app.Handler { return New(b, o).Serve }

// New returns a gateway to the backend.
func New(b *Backend, o Options) *Gateway {
	via := o.Via
	if via == "" {
		via = "gatewheel-" + strconv.FormatUint(rand.Uint64(), 36)
	}
	g := &Gateway{
		policy: policy{pseudonym: via, via: newViaLines(via), forwarded: o.Forwarded, proxyStatus: o.ProxyStatus, rawPaths: o.RawPaths},
		single: o.settings(b),
		ended:  o.Ended,
	}
	if b != nil {
		g.loops.known = &b.shared.loops
	}
	return g
}

// shared returns what the backends of g have in common.
func (g *Gateway) shared() *shared {
	if g.source.shared != nil {
		return g.source.shared
	}
	return g.single.backends[0].shared
}

// LoopStart lets health checks use a loop before its first request. It is for a server's
// hook of that name; without it health checks begin with the first request. Any goroutine.
func (g *Gateway) LoopStart(loop app.Loop) { g.loops.known.add(loop) }

// Serve forwards a request. It is an app.Handler.
func (g *Gateway) Serve(r *app.Request) app.Answer {
	if rs := g.routes.Load(); rs != nil {
		return g.serveRoutes(rs, r)
	}
	dialer, ok := r.Loop().(spi.Dialer)
	if !ok {
		return app.Ready(g.policy.errorResponse(&refusals[NoPeer], false))
	}
	if !dialer.Enter() {
		return app.Fail(app.ErrPeerGone)
	}
	defer dialer.Leave()
	l := g.loops.of(dialer.Home())
	x := l.take(g)
	if refused := x.head.make(r, &g.policy, &l.addresses); refused != nil {
		l.give(x)
		return g.refuse(l, r, refused)
	}
	x.settings, x.backend = &g.single, g.single.backends[0]
	return x.begin(r, dialer)
}

// refuse answers a request that is not forwarded.
func (g *Gateway) refuse(l *loopState, r *app.Request, refused *refusal) app.Answer {
	return g.answer(l, r, refused.reason, g.policy.errorResponse(refused, isGRPC(r.Fields.Get(contentTypeName))))
}

// answer returns a response of the gateway's own.
func (g *Gateway) answer(l *loopState, r *app.Request, reason Reason, resp *app.Response) app.Answer {
	l.count(reason)
	noteAnswer(r, reason)
	if g.ended != nil {
		g.ended(r, reason, nil)
	}
	return app.Ready(resp)
}

// loops has the state of a gateway on each loop, by the loop's index.
type loops struct {
	states [64]atomic.Pointer[loopState]
	known  *loopList // for health checks
}

// loopState is the state of a gateway on a loop. It belongs to the loop, but for counts.
type loopState struct {
	home      app.Loop
	index     int        // of home
	guard     spi.Guard  // home
	next      *loopState // with the same place in loops
	deadlines deadline.Queue
	free      reuse.List[exchange]
	openings  reuse.List[opening]
	addresses addresses
	match     routing.Match
	counts    [reasons]atomic.Uint64
	tunnels   atomic.Int64
	privates  map[*app.ConnInfo]privates // by connections of clients
	mirrored  mirrorCounts
	dropped   []byte // scratch
}

// of returns the state on a loop, which calls it.
func (ls *loops) of(home app.Loop) *loopState {
	place := &ls.states[home.Index()%len(ls.states)]
	first := place.Load()
	for l := first; l != nil; l = l.next {
		if l.home == home {
			return l
		}
	}
	l := &loopState{home: home, index: home.Index(), guard: home.(spi.Guard)}
	l.deadlines.Init(home)
	for l.next = first; !place.CompareAndSwap(l.next, l); {
		l.next = place.Load()
	}
	ls.known.add(home)
	return l
}

func (ls *loops) each(visit func(l *loopState)) {
	for i := range ls.states {
		for l := ls.states[i].Load(); l != nil; l = l.next {
			visit(l)
		}
	}
}

// take returns an exchange that is not in use.
func (l *loopState) take(g *Gateway) *exchange {
	x := l.free.Take()
	if x == nil {
		x = newExchange(g, l)
	}
	if x.opening == nil {
		x.opening = l.takeOpening()
	}
	return x
}

// takeOpening returns an opening that is not in use.
func (l *loopState) takeOpening() *opening {
	if o := l.openings.Take(); o != nil {
		return o
	}
	return &opening{}
}

// giveOpening keeps o for reuse.
func (l *loopState) giveOpening(o *opening) {
	o.reset()
	l.openings.Give(o)
}

// give keeps x for reuse.
func (l *loopState) give(x *exchange) {
	x.reset()
	l.free.Give(x)
}

func (l *loopState) count(reason Reason) { l.counts[reason].Add(1) }

// Counts are the counters of a gateway since its start.
type Counts struct {
	// Exchanges has the number of exchanges that have ended, by Reason.
	Exchanges [reasons]uint64
	// Tunnels is the number of open WebSockets.
	Tunnels int64
	// FailedLookUps is the number of look-ups of peers' names that have failed.
	FailedLookUps uint64
	// Mirrors has the counters of copies of requests.
	Mirrors MirrorCounts
	// Backend has the counters of connections to the backends, together.
	Backend client.Stats
}

// Counts returns the counters. Any goroutine.
func (g *Gateway) Counts() (c Counts) {
	g.loops.each(func(l *loopState) {
		for i := range l.counts {
			c.Exchanges[i] += l.counts[i].Load()
		}
		c.Tunnels += l.tunnels.Load()
		c.Mirrors.Sent += l.mirrored.sent.Load()
		c.Mirrors.Failed += l.mirrored.failed.Load()
		c.Mirrors.Skipped += l.mirrored.skipped.Load()
	})
	for _, b := range g.backends() {
		addStats(&c.Backend, b.Stats())
	}
	c.FailedLookUps = g.shared().failedLookUps.Load()
	return c
}
