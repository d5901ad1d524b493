package server

import "net/netip"

// PeerLimits bound what one client may take: one IPv4 address, or the prefix of IPv6 addresses that one subscriber gets.
// After a PROXY header the client is the one that it names. Peers on unix sockets have no address and no limits. The zero
// value limits nothing and costs nothing.
type PeerLimits struct {
	// Connections limits the open connections of a client; 0 means no limit. A connection beyond is answered with 503 and
	// Retry-After over HTTP/1, and with GOAWAY and ENHANCE_YOUR_CALM over HTTP/2. At most as many connections are
	// answered so at a time, at least 16 and at most 256; others are closed at once.
	Connections int
	// ConnectionRate limits the new connections of a client in a second; 0 means no limit. As many may come at once, at
	// least one. Beyond it the answer is 429 in place of 503.
	ConnectionRate float64
	// HandshakeRate limits the TLS handshakes of a client in a second; 0 means no limit. As many may come at once, at least
	// one. A handshake beyond ends with the alert access_denied.
	HandshakeRate float64
	// Requests limits the requests of a client that are under way on all its connections, over HTTP/2 its streams; 0
	// means no limit. WebSockets, tunnels and hijacked connections are under way until they end. A request beyond is
	// answered with 503 and Retry-After. An HTTP/2 connection of which 255 requests in a row are beyond ends with
	// ENHANCE_YOUR_CALM. Of requests that a trusted proxy sends, the client is the one that the proxy names.
	Requests int
	// PrefixV4 and PrefixV6 are the numbers of bits of an address that make a client; 0 means 32 and 56.
	PrefixV4, PrefixV6 int
	// Exempt are networks without limits, in addition to Config.TrustedProxies.
	Exempt []netip.Prefix
}
