package app

import (
	"encoding/base64"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Authorization returns the credentials of the request for that scheme (RFC 9110 section
// 11.4), which may be empty. ok is false if the request has none, those of another scheme, or
// several Authorization lines. It does not allocate. Any goroutine.
func (r *Request) Authorization(scheme string) (credentials string, ok bool) {
	value := ""
	for i := range r.Fields {
		if !octets.EqualFold(r.Fields[i].Name, "Authorization") {
			continue
		}
		if ok {
			return "", false
		}
		value, ok = r.Fields[i].Value, true
	}
	if !ok || len(value) <= len(scheme) || value[len(scheme)] != ' ' || !octets.EqualFold(value[:len(scheme)], scheme) {
		return "", false
	}
	return octets.Trim(value[len(scheme):]), true
}

// BasicAuth returns the user and the password of the request (RFC 7617). ok is false if it
// has none or they are malformed. Secrets are compared in constant time (crypto/subtle), and
// passwords of users with a hash that is made for them, on the pool. Any goroutine.
func (r *Request) BasicAuth() (user, password string, ok bool) {
	encoded, ok := r.Authorization("Basic")
	if !ok {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	if user, password, ok = strings.Cut(string(decoded), ":"); !ok {
		return "", "", false
	}
	return user, password, true
}

// Bearer returns the token of the request (RFC 6750 section 2.1). ok is false if it has none.
// Any goroutine.
func (r *Request) Bearer() (token string, ok bool) {
	token, ok = r.Authorization("Bearer")
	return token, ok && token != ""
}
