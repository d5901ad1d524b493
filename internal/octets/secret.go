package octets

import "strings"

// IsSecret reports whether a field of that name is likely to carry credentials:
// Authorization, Proxy-Authorization, Cookie, Set-Cookie and what applications
// name in the same way, such as X-Api-Key. Such values must not be kept longer
// than their message, nor logged.
func IsSecret(name string) bool {
	for i := 0; i+2 < len(name); i++ {
		b := name[i] | 0x20
		if b < 'a' || b > 'z' {
			continue
		}
		for _, part := range secretParts[b-'a'] {
			if part[1] == name[i+1]|0x20 && len(name)-i >= len(part) && EqualFold(name[i:i+len(part)], part) {
				return true
			}
		}
	}
	return false
}

// Field is a field line, an alias of the type that the packages of this module
// share without importing each other.
type Field = struct{ Name, Value string }

// HasSecretField reports whether one of the fields is likely to carry
// credentials.
func HasSecretField(fields []Field) bool {
	for i := range fields {
		if IsSecret(fields[i].Name) {
			return true
		}
	}
	return false
}

// HasSecretParameter reports whether a query is likely to carry credentials in one of its
// parameters, such as access_token.
func HasSecretParameter(query string) bool {
	for query != "" {
		var parameter string
		parameter, query, _ = strings.Cut(query, "&")
		if name, _, _ := strings.Cut(parameter, "="); IsSecret(name) {
			return true
		}
	}
	return false
}

// secretParts are parts of names that point to credentials, by their first
// letter. A wrong guess costs little: the message is read again, or its value
// left out of a log.
var secretParts = func() (t [26][]string) {
	for _, part := range []string{"auth", "cookie", "token", "secret", "passw", "credential", "session", "key", "jwt", "csrf", "xsrf",
		"signature", "assertion", "cert"} {
		t[part[0]-'a'] = append(t[part[0]-'a'], part)
	}
	return t
}()
