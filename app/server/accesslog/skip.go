//go:build linux

package accesslog

import (
	"fmt"
	"strings"
)

// skips are the requests that are not logged.
type skips struct {
	exact    map[string]bool
	patterns []pathPattern
	codes    map[int]bool
	classes  [10]bool // of 2xx and the like, by their first digit
}

// pathPattern is a path with `*`, which matches any bytes.
type pathPattern struct {
	prefix string
	middle []string
	suffix string
}

// parseSkips parses paths such as /healthz and /static/*, statuses such as 304, and classes such as 2xx.
func parseSkips(texts []string) (*skips, error) {
	s := &skips{exact: map[string]bool{}, codes: map[int]bool{}}
	for _, text := range texts {
		switch code, class := statusOf(text); {
		case strings.HasPrefix(text, "/") && !strings.ContainsAny(text, "?#"):
			parts := strings.Split(text, "*")
			if last := len(parts) - 1; last > 0 {
				s.patterns = append(s.patterns, pathPattern{parts[0], parts[1:last], parts[last]})
			} else {
				s.exact[text] = true
			}
		case class > 0:
			s.classes[class] = true
		case code > 0:
			s.codes[code] = true
		default:
			return nil, fmt.Errorf("access log: %q to skip is neither a path such as /healthz or /static/*, nor a status such as 304 or 2xx", text)
		}
	}
	return s, nil
}

// statusOf parses a status such as 304, or a class such as 2xx.
func statusOf(text string) (code, class int) {
	if len(text) != 3 || text[0] < '1' || text[0] > '5' {
		return 0, 0
	}
	first := int(text[0] - '0')
	if text[1:] == "xx" {
		return 0, first
	}
	for _, b := range text[1:] {
		if b < '0' || b > '9' {
			return 0, 0
		}
	}
	return first*100 + int(text[1]-'0')*10 + int(text[2]-'0'), 0
}

// matches reports whether a request is not logged.
func (s *skips) matches(target string, status int) bool {
	if s == nil {
		return false
	}
	path, _ := splitTarget(target)
	if status >= 100 && status < 1000 && (s.classes[status/100] || s.codes[status]) || s.exact[path] {
		return true
	}
	for i := range s.patterns {
		if s.patterns[i].matches(path) {
			return true
		}
	}
	return false
}

func (p *pathPattern) matches(path string) bool {
	rest, ok := strings.CutPrefix(path, p.prefix)
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, p.suffix); !ok {
		return false
	}
	for _, part := range p.middle {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}
