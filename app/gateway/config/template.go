package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/suggest"
)

// Template is a text with the values of wildcards in it.
type Template struct {
	parts []templatePart
}

// templatePart is a text, and the name that follows it, if any.
type templatePart struct{ text, name string }

// requestNames are the names of properties of the request, which a redirection may use.
var requestNames = []string{"$scheme", "$host", "$path", "$query"}

// ParseTemplate parses a text with {name} in it.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{}
	for text != "" {
		before, rest, opens := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, errors.New("} has no { before it")
		}
		if !opens {
			t.parts = append(t.parts, templatePart{before, ""})
			break
		}
		name, after, closes := strings.Cut(rest, "}")
		switch {
		case !closes:
			return nil, errors.New("{ has no } behind it")
		case strings.HasSuffix(name, "..."):
			return nil, fmt.Errorf("write {%s} without its dots", strings.TrimSuffix(name, "..."))
		case name == "":
			return nil, errors.New("{} has no name in it")
		}
		t.parts = append(t.parts, templatePart{before, name})
		text = after
	}
	return t, nil
}

// Names returns the names in t, in order.
func (t *Template) Names() (names []string) {
	for _, p := range t.parts {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// Append appends the text to dst, in which value gives the values of names.
func (t *Template) Append(dst []byte, value func(name string) string) []byte {
	for _, p := range t.parts {
		dst = append(dst, p.text...)
		if p.name != "" {
			dst = append(dst, value(p.name)...)
		}
	}
	return dst
}

// authorityNames returns the names in t that stand in the authority of a URL.
func (t *Template) authorityNames() (names []string) {
	slashes := 0
	for _, p := range t.parts {
		slashes += strings.Count(p.text, "/")
		if p.name == "$path" {
			slashes++ // with which it begins
		}
		if p.name != "" && slashes == 2 {
			names = append(names, p.name)
		}
	}
	return names
}

// checkTemplate checks the template of a redirection or a rewritten path for a pattern
// with these wildcards.
func (c *checker) checkTemplate(at Place, text string, wildcards []string, redirect bool) {
	t, err := ParseTemplate(text)
	if err != nil {
		c.fail(at, "%v", err)
		return
	}
	known := wildcards
	if redirect {
		known = append(append([]string(nil), wildcards...), requestNames...)
	}
	for _, name := range t.Names() {
		if !contains(known, name) {
			c.fail(at, "the pattern has no wildcard {%s}%s", name, suggest.Name(name, known))
		}
	}
	for _, p := range t.parts {
		if !octets.All(p.text, octets.Target) && !(redirect && strings.IndexByte(p.text, '#') >= 0 && octets.All(strings.ReplaceAll(p.text, "#", ""), octets.Target)) {
			c.fail(at, "%q has characters that a URL cannot have; encode them with %%", p.text)
			return
		}
	}
	if redirect {
		c.checkLocation(at, text, t)
	} else if text[0] != '/' {
		c.fail(at, "the path must begin with a slash")
	}
}

func (c *checker) checkLocation(at Place, text string, t *Template) {
	lower := octets.LowerString(text)
	switch {
	case text[0] == '/' && !strings.HasPrefix(text, "//"), strings.HasPrefix(text, "{$path}"):
		return
	case !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") && !strings.HasPrefix(text, "{$scheme}://"):
		c.fail(at, "the location must begin with http://, https:// or a slash")
		return
	}
	for _, name := range t.authorityNames() {
		if name != "$host" {
			c.fail(at, "{%s} in the host would let clients choose where they are sent", name)
		}
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n != "" && n == name {
			return true
		}
	}
	return false
}
