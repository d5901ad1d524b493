package app

import (
	"net/netip"
	"strings"
)

// ProxyTrust says which proxies may speak for the client: those whose own address
// lies in one of the networks. Of a chain of proxies, what the last trusted one
// has seen counts, and what stands before that in the fields may be anybody's
// invention.
type ProxyTrust struct {
	// Networks are those of the trusted proxies.
	Networks []netip.Prefix
	// Unix trusts peers that come over a unix socket.
	Unix bool
	// Fields says which fields the proxies write.
	Fields ProxyFields
}

// ProxyFields says which request fields a proxy's word is taken from.
type ProxyFields uint8

const (
	// EitherForwarded takes whichever is there. A proxy that writes one of the two
	// may pass the other on as the client has sent it: where both are there and do
	// not say the same of address, scheme and host, neither is believed.
	EitherForwarded ProxyFields = iota
	// OnlyForwarded takes Forwarded (RFC 7239).
	OnlyForwarded
	// OnlyXForwarded takes X-Forwarded-For, -Proto and -Host.
	OnlyXForwarded
)

// TrustProxies trusts the proxies in these networks.
func TrustProxies(networks ...netip.Prefix) *ProxyTrust {
	return &ProxyTrust{Networks: networks}
}

// Client is who sent a request, as far as that can be known.
type Client struct {
	// Addr is the client's address; the port is 0 where a proxy did not tell it.
	// Not valid for a client on a unix socket.
	Addr netip.AddrPort
	// Scheme and Host are what the client used.
	Scheme, Host string
}

// Client is the client's address, scheme and host: those of the connection and
// of the request, or what trusted proxies say in their place. Any goroutine.
func (r *Request) Client() Client {
	peer := Client{r.conn.Peer, r.Scheme, r.Authority}
	if r.conn.Trust == nil {
		return peer
	}
	if c := r.client.Load(); c != nil {
		return *c
	}
	c := r.conn.Trust.Client(peer, r.Fields)
	r.client.Store(&c)
	return c
}

// Client is what is known of a request's client, given the peer (its address,
// and the scheme and host of the request itself) and the request's fields. A nil
// ProxyTrust believes nobody.
func (t *ProxyTrust) Client(peer Client, fields Fields) Client {
	if t == nil || !t.trusts(peer.Addr) {
		return peer
	}
	forwarded, isForwarded := peer, false
	if t.Fields != OnlyXForwarded {
		forwarded, isForwarded = t.follow(peer, forwardedHops(fields))
	}
	x, isX := peer, false
	if t.Fields != OnlyForwarded {
		x, isX = t.follow(peer, xForwardedHops(fields))
	}
	switch {
	case isForwarded && isX && !forwarded.agrees(x):
		return peer
	case isForwarded:
		return forwarded
	}
	return x
}

// agrees tells whether two accounts are of the same client. Scheme and host count: a
// client knows its own address, and could have them believed by naming it.
func (c Client) agrees(other Client) bool {
	return c.Addr.Addr() == other.Addr.Addr() && c.Scheme == other.Scheme && c.Host == other.Host
}

func (t *ProxyTrust) trusts(addr netip.AddrPort) bool {
	if !addr.IsValid() {
		return t.Unix
	}
	ip := addr.Addr().Unmap().WithZone("")
	for _, network := range t.Networks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// hop is what one proxy says about the peer that it has seen.
type hop struct{ addr, scheme, host string }

// follow goes back from the peer as long as the hops are trusted proxies.
func (t *ProxyTrust) follow(peer Client, hops []hop) (client Client, found bool) {
	client = peer
	for i := len(hops) - 1; i >= 0 && t.trusts(client.Addr); i-- {
		if hops[i].scheme == "http" || hops[i].scheme == "https" {
			client.Scheme = hops[i].scheme
		}
		if isHost(hops[i].host) {
			client.Host = hops[i].host
		}
		addr, ok := parseNode(hops[i].addr)
		if !ok {
			// RFC 7239 section 6: unknown, or an obfuscated identifier. The
			// proxy that says so is the last one who is known.
			return client, true
		}
		client.Addr = addr
	}
	return client, len(hops) > 0
}

// parseNode reads 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] and
// [2001:db8::1]:80.
func parseNode(text string) (netip.AddrPort, bool) {
	if addr, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), true
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(addr.Unmap(), 0), err == nil
}

// isHost checks that a proxy's word for the host can be one: a name or address
// with or without a port.
func isHost(host string) bool {
	for i := 0; i < len(host); i++ {
		c := host[i]
		if (lower(c) < 'a' || lower(c) > 'z') && (c < '0' || c > '9') && strings.IndexByte("-._~:[]", c) < 0 {
			return false
		}
	}
	return host != "" && len(host) <= 255
}

func xForwardedHops(fields Fields) []hop {
	addrs := list(fields.Joined("X-Forwarded-For"))
	if len(addrs) == 0 {
		return nil
	}
	hops := make([]hop, len(addrs))
	schemes, hosts := list(fields.Joined("X-Forwarded-Proto")), list(fields.Joined("X-Forwarded-Host"))
	for i := range hops {
		hops[i] = hop{addrs[i], lowerString(aligned(schemes, i, len(hops))), aligned(hosts, i, len(hops))}
	}
	return hops
}

// aligned is the value for hop i of n: proxies either append to X-Forwarded-Proto
// and -Host as to X-Forwarded-For, or the last one that knows sets the one value.
func aligned(values []string, i, n int) string {
	switch {
	case len(values) == n:
		return values[i]
	case len(values) > 0:
		return values[len(values)-1]
	}
	return ""
}

func list(joined string) []string {
	var items []string
	for item := range strings.SplitSeq(joined, ",") {
		if item = strings.Trim(item, " \t"); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// forwardedHops reads Forwarded (RFC 7239 section 4). A field that is malformed
// says nothing.
func forwardedHops(fields Fields) []hop {
	rest := fields.Joined("Forwarded")
	var hops []hop
	var h hop
	for rest != "" {
		rest = strings.TrimLeft(rest, " \t")
		name, after, ok := strings.Cut(rest, "=")
		if !ok || !isToken(name) {
			return nil
		}
		value, after, ok := tokenOrQuoted(after)
		if !ok {
			return nil
		}
		switch {
		case equalFold(name, "for"):
			h.addr = value
		case equalFold(name, "proto"):
			h.scheme = lowerString(value)
		case equalFold(name, "host"):
			h.host = value
		}
		rest = strings.TrimLeft(after, " \t")
		switch {
		case rest == "":
		case rest[0] == ',':
			hops, h = append(hops, h), hop{}
		case rest[0] != ';':
			return nil
		}
		if rest != "" {
			rest = rest[1:]
		}
	}
	if h != (hop{}) {
		hops = append(hops, h)
	}
	return hops
}

// tokenOrQuoted takes a token or a quoted string (RFC 9110 section 5.6.4) from
// the front. Addresses with colons and brackets are taken without quotes too.
func tokenOrQuoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";, \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0
	}
	var text []byte
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return string(text), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		text = append(text, s[i])
	}
	return "", "", false
}

// lowerString is strings.ToLower in ASCII.
func lowerString(s string) string {
	for i := 0; i < len(s); i++ {
		if lower(s[i]) != s[i] {
			return strings.ToLower(s)
		}
	}
	return s
}
