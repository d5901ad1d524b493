package app

import (
	"net/netip"
	"strings"
)

// ProxyTrust says which proxies may speak for the client: those whose own address
// lies in one of the networks. Of a chain of proxies, what the last trusted one
// has seen counts, and what stands before that in the fields may be anybody's
// invention. A chain is followed over 32 proxies; who the 32nd has seen counts then.
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
		forwarded, isForwarded = t.followForwarded(peer, fields)
	}
	x, isX := peer, false
	if t.Fields != OnlyForwarded {
		x, isX = t.followXForwarded(peer, fields)
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
		if network.Contains(ip) || network.Addr().Is4In6() && network.Contains(netip.AddrFrom16(ip.As16())) {
			return true
		}
	}
	return false
}

// maxProxies is how far a chain is followed: nobody has as many, and each costs the
// reading of an address.
const maxProxies = 32

// hop is what one proxy says about the peer that it has seen.
type hop struct{ addr, scheme, host string }

// before makes the client the one that a trusted proxy, which it has been so far, has
// seen. It is false when the proxy does not tell the address.
func (c *Client) before(h hop) bool {
	if scheme := lowerString(h.scheme); scheme == "http" || scheme == "https" {
		c.Scheme = scheme
	}
	if isHost(h.host) {
		c.Host = h.host
	}
	addr, ok := parseNode(h.addr)
	if ok {
		c.Addr = addr
	}
	return ok
}

// followXForwarded goes back from the peer as long as the hops are trusted proxies.
func (t *ProxyTrust) followXForwarded(peer Client, fields Fields) (client Client, found bool) {
	client = peer
	addrs := backwards(fields, "X-Forwarded-For")
	schemes, hosts := alongside(fields, "X-Forwarded-Proto"), alongside(fields, "X-Forwarded-Host")
	for n := 0; n < maxProxies && t.trusts(client.Addr); n++ {
		addr, more := addrs.next()
		if !more {
			break
		}
		found = true
		if !client.before(hop{addr, schemes.next(), hosts.next()}) {
			break
		}
	}
	return client, found
}

// items goes through a field's comma separated values from the last to the first.
type items struct {
	fields Fields
	name   string
	line   int    // of the fields
	rest   string // what of it is to come
}

func backwards(fields Fields, name string) items {
	return items{fields: fields, name: name, line: len(fields)}
}

func (l *items) next() (item string, ok bool) {
	for {
		for l.rest != "" {
			i := strings.LastIndexByte(l.rest, ',')
			item, l.rest = l.rest[i+1:], l.rest[:max(i, 0)]
			if item = strings.Trim(item, " \t"); item != "" {
				return item, true
			}
		}
		if l.line--; l.line < 0 {
			return "", false
		}
		if equalFold(l.fields[l.line].Name, l.name) {
			l.rest = l.fields[l.line].Value
		}
	}
}

// aligned is a field beside X-Forwarded-For: proxies either append to both, or the
// last one that knows sets the one value.
type aligned struct {
	items
	last string
	each bool
}

func alongside(fields Fields, name string) (a aligned) {
	a.items = backwards(fields, name)
	a.last, _ = a.items.next()
	a.items = backwards(fields, name)
	a.each = sameLength(backwards(fields, "X-Forwarded-For"), a.items)
	return a
}

func (a *aligned) next() string {
	if !a.each {
		return a.last
	}
	value, _ := a.items.next()
	return value
}

// sameLength does not count further than chains are followed.
func sameLength(a, b items) bool {
	for range maxProxies + 1 {
		_, isA := a.next()
		_, isB := b.next()
		if !isA || !isB {
			return isA == isB
		}
	}
	return false
}

// parseNode reads 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] and
// [2001:db8::1]:80. Anything else (RFC 7239 section 6: unknown, or an obfuscated
// identifier) is no address: the proxy that says so is the last one who is known.
func parseNode(text string) (netip.AddrPort, bool) {
	inner, bracketed := strings.CutPrefix(text, "[")
	inner, bare := strings.CutSuffix(inner, "]")
	switch {
	case bracketed && bare:
		text = inner
	case bracketed, strings.Count(text, ":") == 1:
		addr, err := netip.ParseAddrPort(text)
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), err == nil
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

// followForwarded is followXForwarded for Forwarded (RFC 7239 section 4). A field that
// is malformed says nothing.
func (t *ProxyTrust) followForwarded(peer Client, fields Fields) (client Client, found bool) {
	if !fields.Has("Forwarded") {
		return peer, false
	}
	var last lastHops
	for i := range fields {
		if equalFold(fields[i].Name, "Forwarded") && !last.read(fields[i].Value) {
			return peer, false
		}
	}
	client = peer
	for i := last.count - 1; i >= max(0, last.count-maxProxies) && t.trusts(client.Addr); i-- {
		h := last.hops[i%maxProxies]
		if !client.before(hop{unquoted(h.addr), unquoted(h.scheme), unquoted(h.host)}) {
			break
		}
	}
	return client, last.count > 0
}

// lastHops are the last hops of Forwarded: where a quoted string begins can only be
// told from the front. Their values may still have backslashes in them.
type lastHops struct {
	hops  [maxProxies]hop
	count int
}

func (l *lastHops) add(h hop) {
	l.hops[l.count%maxProxies] = h
	l.count++
}

// read reads one line; false says that it is malformed.
func (l *lastHops) read(rest string) bool {
	var h hop
	begun := false
	for rest = strings.TrimLeft(rest, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		// RFC 9110 section 5.6.1.2, RFC 7239 section 4: an element of the list, and a pair of an
		// element, may be empty.
		switch {
		case rest[0] == ',' && begun:
			l.add(h)
			h, begun = hop{}, false
			fallthrough
		case rest[0] == ',', rest[0] == ';':
			rest = rest[1:]
			continue
		}
		name, after, ok := strings.Cut(rest, "=")
		if !ok || !isToken(name) {
			return false
		}
		value, after, ok := tokenOrQuoted(after)
		if !ok {
			return false
		}
		begun = true
		switch {
		case equalFold(name, "for"):
			h.addr = value
		case equalFold(name, "proto"):
			h.scheme = value
		case equalFold(name, "host"):
			h.host = value
		}
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && rest[0] != ',' && rest[0] != ';' {
			return false
		}
	}
	if begun {
		l.add(h)
	}
	return true
}

// tokenOrQuoted takes a token or what is in a quoted string (RFC 9110 section 5.6.4)
// from the front. Addresses with colons and brackets are taken without quotes too.
func tokenOrQuoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";, \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0 && !strings.ContainsAny(s[:end], `"\`)
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return s[1:i], s[i+1:], true
		case '\\':
			i++
		}
	}
	return "", "", false
}

// unquoted undoes a quoted string's backslashes.
func unquoted(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	text := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		text = append(text, s[i])
	}
	return string(text)
}
