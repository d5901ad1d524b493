package gateway

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// opened is what Open was given, for Reload.
type opened struct {
	options Options
	parts   Parts
	shared  *shared // by all backends
}

// Open returns a gateway that does what c says. Times that c does not give are those of o.
// It fails if c has mistakes, or says what is not implemented: see Unsupported. It blocks
// while files are read. c must not be changed afterwards.
func Open(c *config.Config, o Options, parts Parts) (*Gateway, error) {
	g := New(nil, o)
	g.policy.rawPaths = true // route has looked at the path
	g.source = opened{o, parts, newShared()}
	if len(parts.CookieKey) > 0 {
		g.source.shared.cookieKey = parts.CookieKey
	}
	g.loops.known = &g.source.shared.loops
	rs, err := g.source.routes(c, &routes{config: &config.Config{}})
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
// known of its peers; the limits of a case that is the same keep their counts. On an error
// nothing changes. It fails, and blocks, as Open does, and is only for gateways of Open.
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
	return nil
}

// retire closes b when no request can have begun before. Its peers are neither looked
// up nor asked for their health any more.
func (b *Backend) retire() {
	if b.end != nil {
		b.end()
	}
	time.AfterFunc(retireAfter, b.Close)
}

// Close makes the backends of g refuse requests. Those under way go on. Any goroutine.
func (g *Gateway) Close() {
	g.change.Lock()
	defer g.change.Unlock()
	for _, b := range g.backends() {
		b.Close()
	}
}

// routes returns the routes of c, with what is the same in old.
func (o *opened) routes(c *config.Config, old *routes) (*routes, error) {
	table, err := routing.Compile(c)
	if err != nil {
		return nil, err
	}
	if missing := Unsupported(c); len(missing) > 0 {
		return nil, missing[0]
	}
	rs := &routes{config: c, table: table, backends: map[string]*Backend{}}
	var made []*Backend
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		described := c.Backends[name]
		if before, ok := old.config.Backends[name]; ok && reflect.DeepEqual(before, described) {
			rs.backends[name] = old.backends[name]
			continue
		}
		b, err := openBackend(o.shared, name, &described, o.options.PeerChanged, o.parts)
		if err != nil {
			for _, b := range made {
				b.Close()
			}
			return nil, fmt.Errorf("backend %q: %w", name, err)
		}
		rs.backends[name] = b
		made = append(made, b)
	}
	before := old.routesByPattern()
	for _, route := range table.Routes {
		for i, k := range route.Cases {
			s := o.options.settingsOf(k, rs.backends)
			if last := before[route.Pattern]; last != nil && i < len(last.Cases) {
				s.keep(k.Config, last.Cases[i], &old.cases[last.Cases[i].Index])
			}
			rs.cases = append(rs.cases, s)
		}
	}
	return rs, nil
}

func (rs *routes) routesByPattern() map[string]*routing.Route {
	all := map[string]*routing.Route{}
	if rs.table != nil {
		for _, route := range rs.table.Routes {
			all[route.Pattern] = route
		}
	}
	return all
}

// keep takes over the counts of limits that are the same.
func (s *settings) keep(now *config.Case, before *routing.Case, old *settings) {
	if reflect.DeepEqual(now.Limit, before.Config.Limit) {
		s.rate = old.rate
	}
	if now.Concurrency == before.Config.Concurrency {
		s.concurrency = old.concurrency
	}
}
