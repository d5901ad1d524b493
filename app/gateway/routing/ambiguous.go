package routing

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// slashKind is something that some readers of paths take for a slash.
type slashKind uint8

const (
	encodedSlash slashKind = 1 << iota
	encodedBackslash
	backslash
)

// slashKinds returns the kinds that a path has.
func slashKinds(path string) (kinds slashKind) {
	if strings.IndexByte(path, '%') < 0 && strings.IndexByte(path, '\\') < 0 {
		return 0
	}
	for i := range len(path) {
		kinds |= kindAt(path, i)
	}
	return kinds
}

// kindAt returns the kind that begins at i, or 0.
func kindAt(path string, i int) slashKind {
	if path[i] == '\\' {
		return backslash
	}
	if path[i] == '%' && i+2 < len(path) && octets.Is(path[i+1], octets.Hex) && octets.Is(path[i+2], octets.Hex) {
		switch octets.HexValue(path[i+1])<<4 | octets.HexValue(path[i+2]) {
		case '/':
			return encodedSlash
		case '\\':
			return encodedBackslash
		}
	}
	return 0
}

// compareReadings sets m.Ambiguous if the path, with one of those kinds or several taken
// for slashes, leads to another route, or splits it otherwise.
func (t *Table) compareReadings(path string, kinds slashKind, m *Match) {
	decided := len(path)
	if m.Route.rest {
		decided -= len(m.Captures[len(m.Captures)-1])
	}
	for i := range decided {
		if kindAt(path, i) != 0 {
			m.Ambiguous = true
			return
		}
	}
	route, chosen := m.Route, m.Case
	var room [8]string
	captures := append(room[:0], m.Captures...)
	for taken := slashKind(1); taken <= kinds; taken++ {
		if taken&^kinds != 0 {
			continue
		}
		if other, _ := t.find(read(path, taken), m); other != route || m.Case != chosen {
			m.Ambiguous = true
			break
		}
	}
	m.Case, m.Captures = chosen, append(m.Captures[:0], captures...)
}

// read returns path as a reader understands it that takes those kinds for slashes.
func read(path string, taken slashKind) string {
	text := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		kind := kindAt(path, i)
		if kind&taken == 0 {
			text = append(text, path[i])
			continue
		}
		text = append(text, '/')
		if kind != backslash {
			i += 2
		}
	}
	return string(text)
}
