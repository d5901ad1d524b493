package ws

import "strings"

// OriginAllowed tells whether a page of the given Origin may open a WebSocket on
// the host that the request was sent to. Browsers send Origin with every
// opening handshake and let every page open one anywhere, so that this check is
// what keeps a foreign page from acting with the user's cookies
// (RFC 6455 section 10.2).
//
// No Origin is allowed: it is not a browser. The same host and port are allowed,
// whatever the scheme, since a proxy may have ended TLS. Others are allowed if
// they match one of patterns: an origin such as "https://example.org", one with
// a wildcard for its subdomains such as "https://*.example.org", or "*" for all.
// "null", the origin of sandboxed pages and files, must be named.
func OriginAllowed(origin, authority string, patterns []string) bool {
	if origin == "" {
		return true
	}
	scheme, host, ok := strings.Cut(origin, "://")
	if ok && authority != "" && strings.EqualFold(withoutPort(scheme, host), withoutPort(scheme, authority)) {
		return true
	}
	for _, pattern := range patterns {
		if matches(origin, pattern) {
			return true
		}
	}
	return false
}

// withoutPort removes the port from an authority if it is the scheme's own.
func withoutPort(scheme, authority string) string {
	switch strings.ToLower(scheme) {
	case "http":
		return strings.TrimSuffix(authority, ":80")
	case "https":
		return strings.TrimSuffix(authority, ":443")
	}
	return authority
}

func matches(origin, pattern string) bool {
	if pattern == "*" || strings.EqualFold(origin, pattern) {
		return true
	}
	scheme, domain, ok := strings.Cut(pattern, "*")
	if !ok || !strings.HasSuffix(scheme, "://") || !strings.HasPrefix(domain, ".") {
		return false
	}
	origin = strings.ToLower(origin)
	label, ok := strings.CutPrefix(origin, strings.ToLower(scheme))
	if !ok {
		return false
	}
	label, ok = strings.CutSuffix(label, strings.ToLower(domain))
	return ok && label != ""
}
