package ws

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Field is a header field line.
type Field = struct{ Name, Value string }

// The garbage of a handshake lies between the objects that connections keep, so it
// costs an idle connection as much as they do. The functions of this file allocate
// little, and nothing in the size classes of those objects.

// values returns the values of all field lines with that name.
func values(fields []Field, name string) []string {
	var found []string
	for i := range fields {
		if octets.EqualFold(fields[i].Name, name) {
			found = collect(found, fields[i].Value)
		}
	}
	return found
}

// collect appends s to list. The first allocation has room for two.
func collect(list []string, s string) []string {
	if list == nil {
		list = make([]string, 0, 2)
	}
	return append(list, s)
}

// lookUp returns the value of the first field line with that name, and the number of
// such lines.
func lookUp(fields []Field, name string) (value string, lines int) {
	for i := range fields {
		if !octets.EqualFold(fields[i].Name, name) {
			continue
		}
		if lines++; lines == 1 {
			value = octets.Trim(fields[i].Value)
		}
	}
	return value, lines
}

// single returns the value of a field that must have one line; ok reports whether it
// has.
func single(fields []Field, name string) (value string, ok bool) {
	value, lines := lookUp(fields, name)
	if lines != 1 {
		return "", false
	}
	return value, true
}

// lists reports whether a list-valued field has an element that equals token when
// case is ignored.
func lists(fields []Field, name, token string) bool {
	for i := range fields {
		if !octets.EqualFold(fields[i].Name, name) {
			continue
		}
		if octets.ListHas(fields[i].Value, token) {
			return true
		}
	}
	return false
}

// extension is one element of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params string // read by parameters
}

// parameters yields the parameters of an extension.
func (e extension) parameters(yield func(parameter) bool) {
	for rest := e.params; rest != ""; {
		var p parameter
		if p, rest, _ = cutParameter(rest); !yield(p) {
			return
		}
	}
}

type parameter struct {
	name, value string
	hasValue    bool
}

// parseExtensions calls visit for each element of Sec-WebSocket-Extensions, whose
// field lines have those values. ok reports whether all of it follows the grammar of
// RFC 6455 section 9.1; the first fault ends the calls.
func parseExtensions(values []string, visit func(extension)) (ok bool) {
	for _, value := range values {
		for rest := value; ; {
			var ext extension
			if ext, rest, ok = parseExtension(rest); !ok {
				return false
			}
			if ext.name != "" {
				visit(ext)
			}
			if rest == "" {
				break
			}
			rest = rest[1:]
		}
	}
	return true
}

// parseExtension reads the element with which s begins. rest begins with the comma
// after it. An empty element has no name: RFC 9110 section 5.6.1.2.
func parseExtension(s string) (ext extension, rest string, ok bool) {
	ext.name, rest = cutToken(s)
	if ext.name == "" {
		return ext, rest, rest == "" || rest[0] == ','
	}
	params := rest
	for rest != "" && rest[0] == ';' {
		if _, rest, ok = cutParameter(rest); !ok {
			return ext, rest, false
		}
	}
	ext.params = params[:len(params)-len(rest)]
	return ext, rest, rest == "" || rest[0] == ','
}

// cutParameter reads a semicolon, with which s begins, and a parameter.
func cutParameter(s string) (p parameter, rest string, ok bool) {
	p.name, rest = cutToken(s[1:])
	if p.name == "" {
		return p, rest, false
	}
	if rest != "" && rest[0] == '=' {
		p.hasValue = true
		p.value, rest, ok = cutValue(rest[1:])
		return p, rest, ok
	}
	return p, rest, true
}

// cutToken reads a token and the whitespace around it.
func cutToken(s string) (token, rest string) {
	s = strings.TrimLeft(s, " \t")
	n := 0
	for n < len(s) && octets.Is(s[n], octets.Token) {
		n++
	}
	return s[:n], strings.TrimLeft(s[n:], " \t")
}

// cutValue reads a token, or a quoted string whose content is a token.
func cutValue(s string) (value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), strings.TrimLeft(s[i+1:], " \t"), octets.IsToken(b.String())
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
