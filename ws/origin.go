package ws

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

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
	if ok && octets.SameAuthority(scheme, host, authority) {
		return true
	}
	for _, pattern := range patterns {
		if matchesOrigin(scheme, host, pattern) {
			return true
		}
	}
	return false
}

// matchesOrigin reports whether an origin matches a pattern of OriginAllowed. An
// origin that has no host, such as "null", is passed as scheme.
func matchesOrigin(scheme, host, pattern string) bool {
	if pattern == "*" {
		return true
	}
	wantScheme, wantHost, _ := strings.Cut(pattern, "://")
	if !octets.EqualFold(scheme, wantScheme) {
		return false
	}
	domain, wildcard := strings.CutPrefix(wantHost, "*.")
	if !wildcard {
		return host == wantHost || octets.SameAuthority(scheme, host, wantHost)
	}
	domain = octets.Authority(scheme, domain)
	label, ok := strings.CutSuffix(octets.Authority(scheme, host), domain)
	return ok && domain != "" && len(label) > 1 && strings.HasSuffix(label, ".")
}
