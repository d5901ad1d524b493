package gateway

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// builder makes routes of a config.Config, with what is the same in the routes before.
type builder struct {
	*opened
	config   *config.Config
	old      *routes
	backends map[string]*Backend
	made     access
}

// routes returns the routes of c, with what is the same in old. On an error nothing stays
// open that old does not have.
func (o *opened) routes(c *config.Config, old *routes) (*routes, error) {
	table, err := routing.Compile(c)
	if err != nil {
		return nil, err
	}
	b := &builder{opened: o, config: c, old: old, backends: map[string]*Backend{}, made: newAccess()}
	cases, err := b.build(table)
	if err != nil {
		b.undo()
		return nil, err
	}
	return &routes{config: c, table: table, cases: cases, access: b.made, backends: b.backends}, nil
}

func (b *builder) build(table *routing.Table) (cases []settings, err error) {
	if err := b.openBackends(); err != nil {
		return nil, err
	}
	before := b.old.routesByPattern()
	for _, route := range table.Routes {
		known := &internalapi.Route{Pattern: route.Pattern, Slot: internalapi.SlotOf(route.Pattern)}
		kept := keptCases{routes: b.old, route: before[route.Pattern]}
		for _, k := range route.Cases {
			s := b.options.settingsOf(k, b.backends)
			s.route = known
			if err := b.restrict(&s, route, k, &kept); err != nil {
				return nil, fmt.Errorf("route %q, case %d: %w", route.Pattern, k.Number, err)
			}
			cases = append(cases, s) // in the order of Case.Index
		}
	}
	return cases, nil
}

// routesByPattern returns the routes by their patterns.
func (rs *routes) routesByPattern() map[string]*routing.Route {
	all := map[string]*routing.Route{}
	if rs.table != nil {
		for _, route := range rs.table.Routes {
			all[route.Pattern] = route
		}
	}
	return all
}

// openBackends opens the backends, but for those that are described as before.
func (b *builder) openBackends() error {
	for _, name := range slices.Sorted(maps.Keys(b.config.Backends)) {
		described := b.config.Backends[name]
		if before, ok := b.old.config.Backends[name]; ok && reflect.DeepEqual(before, described) {
			b.backends[name] = b.old.backends[name]
			continue
		}
		made, err := openBackend(b.shared, name, &described, b.options.PeerChanged, b.parts)
		if err != nil {
			return fmt.Errorf("backend %q: %w", name, err)
		}
		b.backends[name] = made
	}
	return nil
}

// undo closes what was opened.
func (b *builder) undo() {
	for name, made := range b.backends {
		if b.old.backends[name] != made {
			made.Close()
		}
	}
	b.made.closeExcept(b.old.access)
}

// restrict sets the limits and the authentication of a case.
func (b *builder) restrict(s *settings, route *routing.Route, k *routing.Case, kept *keptCases) (err error) {
	c := k.Config
	if c.Limit != nil {
		before := kept.find(k, &kept.limits, func(old *config.Case) bool { return reflect.DeepEqual(old.Limit, c.Limit) })
		if s.rate, err = b.rate(route.Pattern, c.Limit, before); err != nil {
			return err
		}
	}
	if c.Concurrency > 0 {
		before := kept.find(k, &kept.concurrencies, func(old *config.Case) bool { return old.Concurrency == c.Concurrency })
		if s.concurrency = limit.NewConcurrency(c.Concurrency); before != nil {
			s.concurrency = before.concurrency
		}
	}
	if c.Auth != nil {
		if s.auth, err = b.checker(c.Auth); err != nil {
			return err
		}
	}
	s.setDropped()
	return nil
}

// keptCases are the cases of a route before, whose limits keep their counts.
type keptCases struct {
	routes                *routes
	route                 *routing.Route // nil: there was none
	limits, concurrencies []int          // places in route.Cases that were found
}

// find returns the settings of the case before that is the same: the one in the place of k,
// or another one that was not found yet. It returns nil if there is none.
func (kc *keptCases) find(k *routing.Case, found *[]int, same func(old *config.Case) bool) *settings {
	if kc.route == nil {
		return nil
	}
	places := []int{k.Number - 1}
	for i := range kc.route.Cases {
		places = append(places, i)
	}
	for _, i := range places {
		if i < len(kc.route.Cases) && !slices.Contains(*found, i) && same(kc.route.Cases[i].Config) {
			*found = append(*found, i)
			return &kc.routes.cases[kc.route.Cases[i].Index]
		}
	}
	return nil
}

// redacted returns a URL without its password.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(a URL)"
	}
	return u.Redacted()
}
