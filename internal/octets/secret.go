package octets

import "strings"

// IsSecret reports whether a field of that name is likely to carry credentials:
// Authorization, Proxy-Authorization, Cookie, Set-Cookie and what applications
// name in the same way, such as X-Api-Key. Such values must not be kept longer
// than their message, nor logged. It may allocate.
func IsSecret(name string) bool {
	name = LowerString(name)
	for _, part := range secretParts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// HasSecret reports whether a query is likely to carry credentials in the name
// of a parameter, such as access_token. It may allocate.
func HasSecret(query string) bool {
	for query != "" {
		var parameter string
		parameter, query, _ = strings.Cut(query, "&")
		if name, _, _ := strings.Cut(parameter, "="); IsSecret(name) {
			return true
		}
	}
	return false
}

// secretParts are parts of names that point to credentials. A wrong guess costs
// little: the message is read again, or its value left out of a log.
var secretParts = []string{"auth", "cookie", "token", "secret", "passw", "credential", "session", "key", "jwt", "csrf", "xsrf",
	"signature", "assertion", "cert"}
