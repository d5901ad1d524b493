package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app/internal/pattern"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/suggest"
)

// Check returns the mistakes of c, and warnings. It reads no files. A gateway with
// mistakes is not started.
func Check(c *Config) []Problem {
	ch := &checker{config: c, used: map[string]bool{}}
	if len(c.Routes) == 0 {
		ch.fail(Place{"routes"}, "there are no routes")
	}
	ch.checkRoutes()
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		b := c.Backends[name]
		at := Place{"backends", name}
		ch.checkBackendName(at, name)
		ch.checkBackend(at, &b)
		if !ch.used[name] {
			ch.problems = append(ch.problems, Problem{Place: at, Key: true, Text: "no route uses the backend " + quoted(name), Warning: true})
		}
	}
	for i := range c.Tests {
		ch.checkTest(Place{"tests"}.At(i), &c.Tests[i])
	}
	return ch.problems
}

func (c *checker) checkRoutes() {
	var set pattern.Set[bool]
	for _, text := range slices.Sorted(maps.Keys(c.config.Routes)) {
		at := Place{"routes", text}
		p, err := pattern.Parse(text, pattern.Gateway)
		if err != nil {
			c.failKey(at, "the pattern %q is wrong: %v", text, err)
			p = &pattern.Pattern{}
		} else if other := set.Add(p, true); other != nil {
			c.problems = append(c.problems, Problem{Place: at, Key: true, Other: Place{"routes", other.Text},
				Text: fmt.Sprintf("the pattern %q conflicts with %q: both match the same request, and neither is more specific", text, other.Text)})
		} else if p.Method != "" {
			c.checkMethod(at, true, p.Method)
		}
		cases := c.config.Routes[text]
		if len(cases) == 0 {
			c.fail(at, "the route has no cases: write a backend's name, or a mapping with to, redirect or respond")
		}
		for i := range cases {
			c.checkCase(at.At(i), &cases[i], p)
		}
		c.checkReach(at, p, cases)
	}
}

// checkReach warns about cases that never hold.
func (c *checker) checkReach(at Place, p *pattern.Pattern, cases Cases) {
	for i := range cases {
		later := &cases[i].When
		if p.Method != "" && len(later.Method) > 0 && !slices.ContainsFunc(later.Method, func(m string) bool {
			return m == p.Method || p.Method == "GET" && m == "HEAD"
		}) {
			c.warn(at.At(i).In("when", "method"), "the case never holds: the pattern matches only %s", p.Method)
		}
		for j := range i {
			if cases[j].When.covers(later) {
				c.warn(at.At(i), "the case is never reached: case %d holds whenever this one does", j+1)
				break
			}
		}
	}
}

// covers reports whether w holds whenever other does.
func (w *When) covers(other *When) bool {
	if !coversMatches(w.Header, other.Header, true) || !coversMatches(w.Query, other.Query, false) || !coversMatches(w.Cookie, other.Cookie, false) {
		return false
	}
	if len(w.Method) > 0 && (len(other.Method) == 0 || slices.ContainsFunc(other.Method, func(m string) bool { return !slices.Contains(w.Method, m) })) {
		return false
	}
	for _, p := range other.From {
		if len(w.From) > 0 && !slices.ContainsFunc(w.From, func(q Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
			return false
		}
	}
	return len(w.From) == 0 || len(other.From) > 0
}

func coversMatches(all, other map[string]Match, fold bool) bool {
	for name, m := range all {
		found := false
		for otherName, o := range other {
			if (name == otherName || fold && octets.EqualFold(name, otherName)) && m == o {
				found = true
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func (c *checker) checkBackendName(at Place, name string) {
	if name == "" || !octets.IsToken(name) {
		c.failKey(at, "%q is no name for a backend: letters, digits, - . and _ are", name)
	}
}

// use checks the name of a backend that a case names.
func (c *checker) use(at Place, key bool, name string) {
	c.used[name] = true
	if _, ok := c.config.Backends[name]; ok {
		return
	}
	text := "there is no backend " + quoted(name) + suggest.Name(name, c.backendNames())
	if strings.Contains(name, "://") {
		text = "a route names a backend; give " + quoted(name) + " a name under backends"
	}
	c.problems = append(c.problems, Problem{Place: at, Key: key, Text: text})
}

func (c *checker) backendNames() []string { return slices.Sorted(maps.Keys(c.config.Backends)) }
