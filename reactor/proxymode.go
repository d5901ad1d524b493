package reactor

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ProxyMode is a listener's handling of the PROXY protocol header (versions 1 and 2), in which a proxy sends the
// addresses of its client's connection.
type ProxyMode uint8

const (
	// ProxyOff reads no header.
	ProxyOff ProxyMode = iota
	// ProxyAccept reads a header if a trusted peer sends one. A trusted peer chooses the address that the
	// application sees.
	ProxyAccept
	// ProxyRequire closes connections without a header, and those of peers that are not trusted.
	ProxyRequire
)

var proxyModes = [...]string{ProxyOff: "off", ProxyAccept: "accept", ProxyRequire: "require"}

// String returns the text that ParseProxyMode reads.
func (m ProxyMode) String() string {
	if int(m) < len(proxyModes) {
		return proxyModes[m]
	}
	return "unknown"
}

// ParseProxyMode parses off, accept or require.
func ParseProxyMode(text string) (ProxyMode, error) {
	for mode, name := range proxyModes {
		if text == name {
			return ProxyMode(mode), nil
		}
	}
	return ProxyOff, fmt.Errorf("PROXY protocol %q is not known: write off, accept or require", text)
}

// TrustNetworks returns a function for ListenerConfig.ProxyTrusted that trusts the peers in networks, each a prefix
// (10.0.0.0/8) or a single address. It trusts peers on unix sockets too, since they have passed the permissions of
// the socket. Without networks it returns nil, which trusts every peer.
func TrustNetworks(networks ...string) (func(peer net.Addr) bool, error) {
	var prefixes []netip.Prefix
	for _, text := range networks {
		prefix, err := parseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("network %q is neither an address nor a prefix such as 10.0.0.0/8", text)
		}
		prefixes = append(prefixes, prefix)
	}
	if len(prefixes) == 0 {
		return nil, nil
	}
	return func(peer net.Addr) bool {
		tcp, ok := peer.(*net.TCPAddr)
		if !ok {
			return true
		}
		ip := tcp.AddrPort().Addr().Unmap().WithZone("")
		for _, prefix := range prefixes {
			if prefix.Contains(ip) {
				return true
			}
		}
		return false
	}, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		ip = ip.Unmap().WithZone("")
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err == nil && prefix.Addr().Is4In6() {
		// IPv4 peers are compared as IPv4.
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mappedBits)
		if !prefix.IsValid() {
			return prefix, fmt.Errorf("%s holds more than IPv4", text)
		}
	}
	return prefix.Masked(), err
}

// mappedBits is the length of the prefix of IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2).
const mappedBits = 96
