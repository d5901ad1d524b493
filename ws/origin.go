package ws

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// OriginAllowed reports whether a page with that Origin may open a WebSocket at
// authority, the host and port of the request. Browsers let every page open WebSockets
// everywhere, with the user's cookies, and send Origin in every opening handshake: this
// check keeps foreign pages out (RFC 6455 section 10.2).
//
// A request without Origin is allowed: no browser sent it. A page of the same host and
// port is allowed with any scheme, since a proxy may have terminated TLS. Other origins
// are allowed if they match one of the patterns: an origin such as
// "https://example.org", its subdomains as in "https://*.example.org", or "*" for all.
// "null" is the origin of sandboxed pages and files. Hosts are compared as by
// octets.SameAuthority.
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

// matchesOrigin reports whether an origin matches a pattern of OriginAllowed. For an
// origin without a host, such as "null", scheme is all of it.
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
