package routing

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/internal/uri"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Edits change fields of messages. They do not change; any goroutine.
type Edits struct {
	set, add []app.Field
	remove   []string
	drops    func(name string) bool // concerns, as a value
}

// compileEdits returns nil if nothing changes.
func compileEdits(e *config.Edits) *Edits {
	if len(e.Set)+len(e.Add)+len(e.Remove) == 0 {
		return nil
	}
	edits := &Edits{remove: e.Remove}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		edits.set = append(edits.set, app.Field{Name: name, Value: e.Set[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Add)) {
		edits.add = append(edits.add, app.Field{Name: name, Value: e.Add[name]})
	}
	edits.drops = edits.concerns
	return edits
}

// Apply removes, sets and adds fields, in this order. It changes the array of fields, and
// allocates only if that is too small. A nil Edits changes nothing.
func (e *Edits) Apply(fields app.Fields) app.Fields {
	if e == nil {
		return fields
	}
	for _, name := range e.remove {
		fields.Del(name)
	}
	for _, f := range e.set {
		fields.Set(f.Name, f.Value)
	}
	return append(fields, e.add...)
}

// Drops returns a function that reports whether e sets, adds or removes fields of a name,
// or nil if it does so for none. Trailers with such a name are not passed on.
func (e *Edits) Drops() func(name string) bool {
	if e == nil {
		return nil
	}
	return e.drops
}

func (e *Edits) concerns(name string) bool {
	is := func(f app.Field) bool { return octets.EqualFold(f.Name, name) }
	return slices.ContainsFunc(e.set, is) || slices.ContainsFunc(e.add, is) ||
		slices.ContainsFunc(e.remove, func(n string) bool { return octets.EqualFold(n, name) })
}

// RewrittenPath returns the path in place of the request's, and whether the case has one.
// The query stays.
func (m *Match) RewrittenPath() (path string, ok bool) {
	if m.Case.rewrite == nil {
		return "", false
	}
	var room [256]byte
	return string(m.Case.rewrite.Append(room[:0], m.Value)), true
}

// Redirection returns the status and the location of the redirection; ok reports whether
// the case is one.
func (m *Match) Redirection(r *app.Request) (status int, location string, ok bool) {
	if m.Case.redirect == nil {
		return 0, "", false
	}
	if status = m.Case.Config.Status; status == 0 {
		status = 302
	}
	text := string(m.Case.redirect.Append(nil, func(name string) string {
		switch name {
		case "$scheme":
			return r.Client().Scheme
		case "$host":
			return octets.Host(r.Client().Host)
		case "$path":
			return r.RawPath
		case "$query":
			return r.RawQuery
		}
		return m.Value(name)
	}))
	if r.RawQuery != "" && !strings.Contains(m.Case.Config.Redirect, "?") {
		path, fragment, found := strings.Cut(text, "#")
		if text = path + "?" + r.RawQuery; found {
			text += "#" + fragment
		}
	}
	// Two slashes at the start, which a wildcard may have matched, would name a host.
	for strings.HasPrefix(text, "//") || strings.HasPrefix(text, `/\`) {
		text = "/" + text[2:]
	}
	return status, uri.Location(text, ""), true
}
