package gateway

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// routes are the routes of a gateway, ready for use. They do not change.
type routes struct {
	config   *config.Config
	table    *routing.Table
	cases    []settings // by routing.Case.Index
	access   access
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
	// Directory is that of relative names of files; "" is the working directory.
	Directory string
}

// openBackend returns the backend that is described.
func openBackend(s *shared, name string, described *config.Backend, notify func(backend, peer string, event PeerEvent, err error), parts Parts) (*Backend, error) {
	if list := described.Peers.List; len(list) == 1 && list[0].URL == "target:" {
		if parts.BuiltIn == nil {
			return nil, fmt.Errorf("target: stands for nothing here")
		}
		return &Backend{name: name, client: s.client, builtIn: parts.BuiltIn}, nil
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
	return b.open(source, fixed, fixed != nil)
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

// backends returns the backends of g.
func (g *Gateway) backends() []*Backend {
	if rs := g.routes.Load(); rs != nil {
		return slices.Collect(maps.Values(rs.backends))
	}
	return g.single.backends
}
