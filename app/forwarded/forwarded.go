// Package forwarded finds the client of a request behind proxies: it reads Forwarded
// (RFC 7239) and the X-Forwarded fields, as far as the proxies that sent them are
// trusted.
package forwarded

import (
	"net/netip"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Trust names the proxies that may speak for the client: those whose own
// address lies in one of the networks. Of a chain of proxies, the client is the
// peer of the first trusted one; the client may have invented everything before
// that. At most 32 proxies of a chain are followed.
//
// X-Forwarded-Port, X-Forwarded-Ssl and X-Real-IP are not read. X-Forwarded-Host
// and X-Forwarded-Proto carry the same, and many proxies pass these three on as
// the client sent them.
type Trust struct {
	// Networks are those of the trusted proxies.
	Networks []netip.Prefix
	// Unix trusts peers on unix sockets.
	Unix bool
	// Kind selects the fields that the proxies write.
	Kind Kind
	// OnIgnored, if not nil, is called when a peer that is not trusted has sent a field
	// of Kind, or when a trusted proxy has sent one that is not understood, or Forwarded
	// and X-Forwarded fields that contradict each other. Trusts tells the cases apart.
	// At most once a request, on the goroutine that calls Request.Client first.
	OnIgnored func(peer Client, field string)
}

// Kind selects the request fields that describe the client.
type Kind uint8

const (
	// Either reads both kinds. Where only one of them names the address,
	// the scheme or the host, it counts. Where both name one of these and differ,
	// neither is believed: the proxy may write one kind and pass the other on as
	// the client sent it.
	Either Kind = iota
	// OnlyForwarded reads Forwarded (RFC 7239).
	OnlyForwarded
	// OnlyXForwarded reads X-Forwarded-For, -Proto and -Host.
	OnlyXForwarded
)

// TrustNetworks returns a Trust for the proxies in these networks.
func TrustNetworks(networks ...netip.Prefix) *Trust {
	return &Trust{Networks: networks}
}

// Field is a field line of a request.
type Field = struct{ Name, Value string }

// Client is the sender of a request.
type Client struct {
	// Addr is the client's address. Its port is 0 if a proxy did not name it; for a
	// client on a unix socket Addr is not valid.
	Addr netip.AddrPort
	// Scheme and Host are what the client used.
	Scheme, Host string
}

// Client returns what is known of a request's client. peer is the sender of the
// connection, with the scheme and host of the request itself; fields are the
// request's. A nil Trust returns peer. Any goroutine.
func (t *Trust) Client(peer Client, fields []Field) Client {
	client, _ := t.Resolve(peer, fields)
	return client
}

// Resolve is Client; ignored names a field of a trusted proxy that was not
// understood, or that contradicts another one, or a field of a peer that is not
// trusted.
func (t *Trust) Resolve(peer Client, fields []Field) (client Client, ignored string) {
	if t == nil {
		return peer, ""
	}
	if !t.Trusts(peer.Addr) {
		return peer, t.claimed(fields)
	}
	forwarded, x := account{Client: peer}, account{Client: peer}
	if t.Kind != OnlyXForwarded {
		t.followForwarded(&forwarded, fields)
	}
	if t.Kind != OnlyForwarded {
		t.followXForwarded(&x, fields)
	}
	ignored = forwarded.ignored
	if ignored == "" {
		ignored = x.ignored
	}
	if forwarded.contradicts(&x) {
		return peer, "Forwarded"
	}
	if x.saysAddr {
		forwarded.Addr = x.Addr
	}
	if x.saysScheme {
		forwarded.Scheme = x.Scheme
	}
	if x.saysHost {
		forwarded.Host = x.Host
	}
	return forwarded.Client, ignored
}

// claimed returns the name of the first field of Kind; empty when there is none.
func (t *Trust) claimed(fields []Field) string {
	for i := range fields {
		name := fields[i].Name
		forwarded := octets.EqualFold(name, "Forwarded")
		x := octets.EqualFold(name, xForwardedNames.addr) || octets.EqualFold(name, xForwardedNames.scheme) || octets.EqualFold(name, xForwardedNames.host)
		if forwarded && t.Kind != OnlyXForwarded || x && t.Kind != OnlyForwarded {
			return name
		}
	}
	return ""
}

// account is a client as one kind of fields describes it. What the fields do not
// say is the peer's.
type account struct {
	Client
	saysAddr, saysScheme, saysHost bool
	ignored                        string // a field that was not understood
}

// contradicts reports whether both accounts say something of the same thing, and
// not the same. An account that says nothing contradicts none. Scheme and host
// count: a client knows its own address, and naming it must not be enough to have
// an invented scheme believed.
func (a *account) contradicts(b *account) bool {
	scheme := a.Scheme
	if b.saysScheme {
		scheme = b.Scheme
	}
	return a.saysAddr && b.saysAddr && a.Addr.Addr() != b.Addr.Addr() ||
		a.saysScheme && b.saysScheme && a.Scheme != b.Scheme ||
		a.saysHost && b.saysHost && !octets.SameAuthority(scheme, a.Host, b.Host)
}

// Trusts reports whether the peer with this address is a trusted proxy. An address
// that is not valid is that of a unix socket. Any goroutine.
func (t *Trust) Trusts(addr netip.AddrPort) bool {
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

// maxProxies limits the number of proxies of a chain that are followed, each of which
// costs the parsing of an address.
const maxProxies = 32

// hop is the description of a peer by a proxy.
type hop struct{ addr, scheme, host string }

// before moves the account to the client that a trusted proxy has seen, according
// to that proxy's hop. It reports whether the hop gives an address: only then can
// the hop before it be looked at. names are the fields that h was read from.
func (a *account) before(h hop, names *hopNames) bool {
	if scheme, ok := webScheme(h.scheme); ok {
		a.Scheme, a.saysScheme = scheme, true
	} else if h.scheme != "" {
		a.ignored = names.scheme
	}
	if isHost(h.host) {
		a.Host, a.saysHost = h.host, true
	} else if h.host != "" {
		a.ignored = names.host
	}
	if isObfuscated(h.addr) {
		return false
	}
	addr, ok := parseNode(h.addr)
	if !ok {
		a.ignored = names.addr
		return false
	}
	a.Addr, a.saysAddr = addr, true
	return true
}

// hopNames are the fields that the parts of a hop stand in.
type hopNames struct{ addr, scheme, host string }

var (
	xForwardedNames = hopNames{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
	forwardedNames  = hopNames{"Forwarded", "Forwarded", "Forwarded"}
)

// webScheme maps a proxy's word for the scheme to http or https. Some proxies
// write ws and wss for WebSocket handshakes.
func webScheme(word string) (scheme string, ok bool) {
	switch octets.LowerString(word) {
	case "http", "ws":
		return "http", true
	case "https", "wss":
		return "https", true
	}
	return "", false
}

// isObfuscated reports whether node, which may be empty, withholds an address on
// purpose (RFC 7239 sections 6.2 and 6.3).
func isObfuscated(node string) bool {
	return node == "" || node[0] == '_' || octets.EqualFold(node, "unknown")
}

// followXForwarded goes back from the peer as long as the hops are trusted proxies.
// X-Forwarded-Proto and X-Forwarded-Host without X-Forwarded-For are the word of the
// proxy that is the peer.
func (t *Trust) followXForwarded(a *account, fields []Field) {
	addrs := backwards(fields, xForwardedNames.addr)
	schemes, hosts := alongside(fields, xForwardedNames.scheme), alongside(fields, xForwardedNames.host)
	for n := 0; n < maxProxies && t.Trusts(a.Addr); n++ {
		addr, more := addrs.next()
		if !more {
			if n == 0 {
				a.before(hop{"", schemes.last, hosts.last}, &xForwardedNames)
			}
			return
		}
		if !a.before(hop{addr, schemes.next(), hosts.next()}, &xForwardedNames) {
			return
		}
	}
}

// items goes through a field's comma separated values from the last to the first.
type items struct {
	fields []Field
	name   string
	line   int    // of the fields
	rest   string // what of it is to come
}

func backwards(fields []Field, name string) items {
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
		if octets.EqualFold(l.fields[l.line].Name, l.name) {
			l.rest = l.fields[l.line].Value
		}
	}
}

// aligned is a field that accompanies X-Forwarded-For. Proxies either append to both, or
// the last proxy that knows the value sets it.
type aligned struct {
	items
	last string
	each bool
}

func alongside(fields []Field, name string) (a aligned) {
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
// [2001:db8::1]:80, each with or without quotes. Anything else (RFC 7239 section 6:
// unknown, or an obfuscated identifier) is no address, and ends the chain.
func parseNode(text string) (netip.AddrPort, bool) {
	if len(text) > 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
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
		if !octets.IsLetter(c) && (c < '0' || c > '9') && strings.IndexByte("-._~:[]", c) < 0 {
			return false
		}
	}
	return host != "" && len(host) <= 255 && octets.ValidAuthority(host)
}

// followForwarded is followXForwarded for Forwarded (RFC 7239 section 4). A field
// that is malformed says nothing.
func (t *Trust) followForwarded(a *account, fields []Field) {
	var last lastHops
	for i := range fields {
		if octets.EqualFold(fields[i].Name, "Forwarded") && !last.read(fields[i].Value) {
			a.ignored = "Forwarded"
			return
		}
	}
	for i := last.count - 1; i >= max(0, last.count-maxProxies) && t.Trusts(a.Addr); i-- {
		h := last.hops[i%maxProxies]
		if !a.before(hop{unquoted(h.addr), unquoted(h.scheme), unquoted(h.host)}, &forwardedNames) {
			return
		}
	}
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

// read reads one line. It reports false if the line is malformed.
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
		if !ok || !octets.IsToken(name) {
			return false
		}
		value, after, ok := tokenOrQuoted(after)
		if !ok {
			return false
		}
		begun = true
		switch {
		case octets.EqualFold(name, "for"):
			ok = assign(&h.addr, value)
		case octets.EqualFold(name, "proto"):
			ok = assign(&h.scheme, value)
		case octets.EqualFold(name, "host"):
			ok = assign(&h.host, value)
		}
		if !ok {
			return false
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

// assign reports whether it has set part, which must be empty: an element names each parameter once (RFC 7239
// section 4).
func assign(part *string, value string) bool {
	if *part != "" {
		return false
	}
	*part = value
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
