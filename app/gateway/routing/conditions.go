package routing

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// conditions are a config.When, ready for use.
type conditions struct {
	header, query, cookie []condition
	methods               []string
	from                  []netip.Prefix
}

// condition is a condition on the value of a name.
type condition struct {
	name           string
	whole          bool // the value is text
	text           string
	prefix, suffix string
	regex          *regexp.Regexp
	absent         bool // there is no value
}

func compileConditions(w *config.When) (c conditions, err error) {
	c.methods, c.from = w.Method, w.From
	for _, list := range []struct {
		to   *[]condition
		from map[string]config.Match
	}{{&c.header, w.Header}, {&c.query, w.Query}, {&c.cookie, w.Cookie}} {
		for _, name := range slices.Sorted(maps.Keys(list.from)) {
			m := list.from[name]
			k := condition{name: name, text: m.Text, prefix: m.Prefix, suffix: m.Suffix, absent: m.Present == config.Off}
			k.whole = m.Prefix == "" && m.Suffix == "" && m.Regex == "" && m.Present == config.Default
			if m.Regex != "" {
				if k.regex, err = regexp.Compile(m.Regex); err != nil {
					return c, err
				}
			}
			*list.to = append(*list.to, k)
		}
	}
	return c, nil
}

// hold reports whether all conditions hold for r.
func (c *conditions) hold(r *app.Request) bool {
	if len(c.methods) > 0 && !slices.Contains(c.methods, r.Method) {
		return false
	}
	for i := range c.header {
		if !c.header[i].holdsForField(r.Fields) {
			return false
		}
	}
	for i := range c.query {
		value, ok := r.LookupQuery(c.query[i].name)
		if !c.query[i].holds(value, ok) {
			return false
		}
	}
	for i := range c.cookie {
		value, ok := Cookie(r.Fields, c.cookie[i].name)
		if !c.cookie[i].holds(value, ok) {
			return false
		}
	}
	return len(c.from) == 0 || isFrom(r, c.from)
}

// holds reports whether k holds for a value; present: there is one.
func (k *condition) holds(value string, present bool) bool {
	switch {
	case k.absent || !present:
		return k.absent && !present
	case k.whole:
		return value == k.text
	}
	return strings.HasPrefix(value, k.prefix) && strings.HasSuffix(value, k.suffix) &&
		(k.regex == nil || k.regex.MatchString(value))
}

// holdsForField reports whether k holds for one of the field lines of its name.
func (k *condition) holdsForField(fields app.Fields) bool {
	present := false
	for i := range fields {
		if !octets.EqualFold(fields[i].Name, k.name) {
			continue
		}
		if present = true; k.holds(fields[i].Value, true) {
			return true
		}
	}
	return k.absent && !present
}

// Cookie returns the value of the first cookie of that name (RFC 6265 section 5.4).
func Cookie(fields app.Fields, name string) (value string, ok bool) {
	for i := range fields {
		if !octets.EqualFold(fields[i].Name, "cookie") {
			continue
		}
		for rest := fields[i].Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			if n, v, found := strings.Cut(octets.Trim(pair), "="); found && n == name {
				return v, true
			}
		}
	}
	return "", false
}

// isFrom reports whether the client's address lies in one of the networks.
func isFrom(r *app.Request, networks []netip.Prefix) bool {
	address := r.Client().Addr.Addr().Unmap().WithZone("")
	for _, n := range networks {
		if n.Contains(address) {
			return true
		}
	}
	return false
}
