// Package routing chooses the case of a gateway's route for a request. The time it takes
// does not grow with the number of routes, and it allocates nothing.
package routing

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/internal/pattern"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Table has the routes of a gateway. It does not change; any goroutine.
type Table struct {
	// Routes has the routes in the order of their patterns, and with them all cases in the
	// order of their Index.
	Routes []*Route

	routes pattern.Set[*Route]
}

// Route is a pattern and its cases.
type Route struct {
	// Pattern is the pattern as written.
	Pattern string
	// Cases are the cases in order.
	Cases []*Case

	names []string
	rest  bool
}

// Case is a case of a route, ready for use. It does not change; any goroutine.
type Case struct {
	// Config is the case as described.
	Config *config.Case
	// Number is its place in the route, from 1.
	Number int
	// Index is its place among the cases of the table, from 0.
	Index int
	// Backends are the backends with their shares, in the order of their names. They are
	// none for redirections and responses of the gateway's own.
	Backends []Share
	// Request and Response change fields.
	Request, Response *Edits

	conditions conditions
	total      uint64
	redirect   *config.Template
	rewrite    *config.Template
}

// Share is the share of requests that a backend gets.
type Share struct {
	Backend string
	Share   int
}

// Compile makes a table of the routes of c. It fails with the first mistake that
// config.Check finds.
func Compile(c *config.Config) (*Table, error) {
	for _, p := range config.Check(c) {
		if !p.Warning {
			return nil, p
		}
	}
	t := &Table{}
	index := 0
	for _, text := range slices.Sorted(maps.Keys(c.Routes)) {
		p, err := pattern.Parse(text, pattern.Gateway)
		if err != nil {
			return nil, err
		}
		route := &Route{Pattern: text, names: p.Names, rest: p.Rest()}
		cases := c.Routes[text]
		for i := range cases {
			k, err := compile(&cases[i], i+1)
			if err != nil {
				return nil, fmt.Errorf("route %q, case %d: %w", text, i+1, err)
			}
			k.Index = index
			index++
			route.Cases = append(route.Cases, k)
		}
		if other := t.routes.Add(p, route); other != nil {
			return nil, fmt.Errorf("routes %q and %q conflict", text, other.Text)
		}
		t.Routes = append(t.Routes, route)
	}
	return t, nil
}

func compile(c *config.Case, number int) (k *Case, err error) {
	k = &Case{Config: c, Number: number, Request: compileEdits(&c.Request), Response: compileEdits(&c.Response)}
	for _, name := range slices.Sorted(maps.Keys(c.To)) {
		k.Backends = append(k.Backends, Share{name, c.To[name]})
		k.total += uint64(c.To[name])
	}
	if k.conditions, err = compileConditions(&c.When); err != nil {
		return nil, err
	}
	if c.Redirect != "" {
		if k.redirect, err = config.ParseTemplate(c.Redirect); err != nil {
			return nil, err
		}
	}
	if c.Rewrite.Path != "" {
		k.rewrite, err = config.ParseTemplate(c.Rewrite.Path)
	}
	return k, err
}

// Raw reports whether paths are forwarded that readers may understand differently.
func (k *Case) Raw() bool { return k.Config.Paths == config.RawPaths }

// Choose returns the index of one of Backends, at random by their shares. There must be
// one. Any goroutine.
func (k *Case) Choose() int {
	if len(k.Backends) == 1 {
		return 0
	}
	n := rand.Uint64N(k.total)
	for i, s := range k.Backends {
		if n < uint64(s.Share) {
			return i
		}
		n -= uint64(s.Share)
	}
	return 0
}

// Match is what a search has found. Its memory is used again by the next search. The zero
// Match is ready for use, by one goroutine at a time.
type Match struct {
	// Route is the route that was chosen.
	Route *Route
	// Case is the case of the route that holds.
	Case *Case
	// Captures are what the route's wildcards have matched: parts of the request's
	// RawPath, still encoded.
	Captures []string
	// Ambiguous is set if the path has an encoded slash, or a backslash, encoded or not,
	// and a reader that takes it for a slash would find another route or other captures.
	Ambiguous bool

	request   *app.Request
	accept    func(*pattern.Entry[*Route]) bool
	authority string // of the last request
	host      string // of that, in normal form
	room      [8]string
}

// CopyTo makes to a copy of what was found, for use after the next search.
func (m *Match) CopyTo(to *Match) {
	*to = Match{Route: m.Route, Case: m.Case, Ambiguous: m.Ambiguous}
	to.Captures = append(to.room[:0], m.Captures...)
}

// Find fills m with the route and the case for r, and reports whether there is one. On r's
// loop.
func (t *Table) Find(r *app.Request, m *Match) bool {
	if m.accept == nil {
		m.accept = m.holds
		m.Captures = m.room[:0]
	}
	if r.Authority != m.authority {
		m.authority, m.host = r.Authority, octets.Host(r.Authority)
	}
	path := r.RawPath
	if path == "" {
		path = "/"
	}
	m.request, m.Ambiguous = r, false
	m.Route, m.Captures = t.find(path, m)
	if m.Route != nil && !m.Case.Raw() {
		if kinds := slashKinds(path); kinds != 0 {
			t.compareReadings(path, kinds, m)
		}
	}
	m.request = nil
	return m.Route != nil
}

func (t *Table) find(path string, m *Match) (*Route, []string) {
	found, captures := t.routes.FindAccepted(m.host, m.request.Method, path, m.Captures[:0], m.accept)
	if found == nil {
		return nil, captures
	}
	return found.Value, captures
}

// holds chooses the first case of a route that holds.
func (m *Match) holds(e *pattern.Entry[*Route]) bool {
	for _, k := range e.Value.Cases {
		if k.conditions.hold(m.request) {
			m.Case = k
			return true
		}
	}
	return false
}

// Value returns what the wildcard of that name has matched, still encoded, or "".
func (m *Match) Value(name string) string {
	for i, n := range m.Route.names {
		if n == name && n != "" {
			return m.Captures[i]
		}
	}
	return ""
}
