package ws

import "strings"

// Field is a header field line.
type Field = struct{ Name, Value string }

// values gives the values of all field lines of a name, compared without case.
func values(fields []Field, name string) []string {
	var found []string
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			found = append(found, f.Value)
		}
	}
	return found
}

// single gives the value of a field that may come once; ok is false if it comes
// never or more often.
func single(fields []Field, name string) (value string, ok bool) {
	found := values(fields, name)
	if len(found) != 1 {
		return "", false
	}
	return trim(found[0]), true
}

// lists tells whether one of the comma-separated values of a field is token,
// compared without case.
func lists(fields []Field, name, token string) bool {
	for _, value := range values(fields, name) {
		for element := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(trim(element), token) {
				return true
			}
		}
	}
	return false
}

// trim removes optional whitespace. RFC 9110 section 5.6.3.
func trim(s string) string { return strings.Trim(s, " \t") }

// isToken: RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if b := s[i]; !isTokenByte(b) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(b byte) bool {
	switch {
	case b >= '0' && b <= '9', b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// extension is one element of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []parameter
}

type parameter struct {
	name, value string
	hasValue    bool
}

// parseExtensions takes the values of Sec-WebSocket-Extensions; ok is false if
// they do not follow the grammar of RFC 6455 section 9.1.
func parseExtensions(values []string) (list []extension, ok bool) {
	for _, value := range values {
		for rest := value; ; {
			var ext extension
			if ext, rest, ok = parseExtension(rest); !ok {
				return nil, false
			}
			if ext.name != "" {
				list = append(list, ext)
			}
			if rest == "" {
				break
			}
			rest = rest[1:]
		}
	}
	return list, true
}

// parseExtension takes the element at the begin of s, and leaves what begins with
// the comma behind it. An empty element has no name: RFC 9110 section 5.6.1.2.
func parseExtension(s string) (ext extension, rest string, ok bool) {
	ext.name, rest = cutToken(s)
	if ext.name == "" {
		return ext, rest, rest == "" || rest[0] == ','
	}
	for rest != "" && rest[0] == ';' {
		var p parameter
		p.name, rest = cutToken(rest[1:])
		if p.name == "" {
			return ext, rest, false
		}
		if rest != "" && rest[0] == '=' {
			if p.value, rest, ok = cutValue(rest[1:]); !ok {
				return ext, rest, false
			}
			p.hasValue = true
		}
		ext.params = append(ext.params, p)
	}
	return ext, rest, rest == "" || rest[0] == ','
}

// cutToken takes a token and the whitespace around it.
func cutToken(s string) (token, rest string) {
	s = strings.TrimLeft(s, " \t")
	n := 0
	for n < len(s) && isTokenByte(s[n]) {
		n++
	}
	return s[:n], strings.TrimLeft(s[n:], " \t")
}

// cutValue takes a token, or a quoted string whose content is a token.
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
			return b.String(), strings.TrimLeft(s[i+1:], " \t"), isToken(b.String())
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
