package app

import "net/netip"

// ProxyTrust says which proxies may speak for the client.
type ProxyTrust struct{ prefixes []netip.Prefix }

// TrustProxies trusts the proxies in these networks.
func TrustProxies(prefixes ...netip.Prefix) *ProxyTrust {
	return &ProxyTrust{prefixes: prefixes}
}

// Client is who sent a request, as far as that can be known.
type Client struct {
	// Addr is the client's address; the port is 0 where a proxy did not tell it.
	Addr netip.AddrPort
	// Scheme and Host are what the client used.
	Scheme, Host string
}
