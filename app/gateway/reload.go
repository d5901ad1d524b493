package gateway

import (
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// opened is what Open was given, for Reload.
type opened struct {
	options Options
	parts   Parts
	shared  *shared // by all backends
}

// Open returns a gateway that does what c says. Times that c does not give are those of o.
// It fails if c has mistakes, and blocks while files are read. c must not be changed afterwards.
func Open(c *config.Config, o Options, parts Parts) (*Gateway, error) {
	g := New(nil, o)
	g.policy.rawPaths = true // route has looked at the path
	g.source = opened{o, parts, newShared()}
	if len(parts.CookieKey) > 0 {
		g.source.shared.cookieKey = parts.CookieKey
	}
	g.loops.known = &g.source.shared.loops
	rs, err := g.source.routes(c, &routes{config: &config.Config{}, access: newAccess()})
	if err != nil {
		return nil, err
	}
	g.routes.Store(rs)
	return g, nil
}

// retireAfter is the time for which a backend that is not named any more still takes
// requests: those that have found their route before, and their further tries.
const retireAfter = time.Minute

// Reload makes g do what c says, from the next request on. Requests in progress go on as
// they began. A backend that is described as before keeps its connections and what is
// known of its peers; the same limits of a route keep their counts, and the same
// authentication what it knows. On an error nothing changes. It fails, and blocks, as Open does, and is only for gateways of Open.
// Any goroutine.
func (g *Gateway) Reload(c *config.Config) error {
	g.change.Lock()
	defer g.change.Unlock()
	old := g.routes.Load()
	rs, err := g.source.routes(c, old)
	if err != nil {
		return err
	}
	g.routes.Store(rs)
	for name, b := range old.backends {
		if rs.backends[name] != b {
			b.retire()
		}
	}
	old.access.closeExcept(rs.access)
	return nil
}

// retire closes b when no request can have begun before. Its peers are neither looked
// up nor asked for their health any more, and no connection to them is kept without a request.
func (b *Backend) retire() {
	if b.end != nil {
		b.end()
		for _, p := range b.set.Load().peers {
			p.origin.CloseIdle()
		}
	}
	time.AfterFunc(retireAfter, b.Close)
}

// Close makes the backends of g refuse requests, and ends what watches files and fetches
// keys. Requests under way go on. Any goroutine but a loop's.
func (g *Gateway) Close() {
	g.change.Lock()
	defer g.change.Unlock()
	for _, b := range g.backends() {
		b.Close()
	}
	if rs := g.routes.Load(); rs != nil {
		rs.access.closeExcept(newAccess())
	}
}
