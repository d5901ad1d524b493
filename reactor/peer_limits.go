//go:build linux

package reactor

import (
	"errors"
	"net/netip"

	"github.com/gatewheel/gatewheel/internal/rate"
)

// PeerLimits bound what one peer may take of a Reactor. A peer is an IPv4 address or the prefix of IPv6 addresses that
// one subscriber gets; IPv4-mapped IPv6 addresses are IPv4. After a PROXY header the peer is the source address in it.
// Peers without an IP address, on unix sockets, are not limited. The zero value limits nothing and costs nothing.
type PeerLimits struct {
	// Connections is the maximum number of open connections; 0: no limit.
	Connections int
	// ConnectionRate is the maximum number of new connections a second; 0: no limit. As many may come at once, at
	// least one.
	ConnectionRate float64
	// HandshakeRate is the maximum number of TLS handshakes a second; 0: no limit. As many may come at once, at least
	// one. A handshake beyond ends with the alert access_denied.
	HandshakeRate float64
	// Requests is the maximum number of requests under way that Peer.Enter admits; 0: no limit.
	Requests int
	// Prefix4 and Prefix6 are the numbers of bits that make a peer of IPv4 and IPv6 addresses; default 32 and 56.
	Prefix4, Prefix6 int
	// Spared, if set, reports whether an address has no limits, as those of proxies. It is called on the loops, and on
	// any goroutine that calls Reactor.EnterPeer.
	Spared func(netip.Addr) bool
	// MaxPeers is the maximum number of peers that are known at a time, those without a connection included whose
	// rate is not over; default 131072. A peer beyond is not limited.
	MaxPeers int
}

const (
	prefix4Default  = 32
	prefix6Default  = 56
	maxPeersDefault = 128 << 10
)

// Refused connections of a peer that are answered at a time. As many as PeerLimits.Connections within these bounds:
// browsers open several connections at once, and a flood must not hold memory and descriptors.
const (
	leastAnswered = 16
	mostAnswered  = 256
)

// PeerRefusal is the limit for which a connection was refused.
type PeerRefusal uint8

const (
	PeerConnections    PeerRefusal = iota + 1 // beyond PeerLimits.Connections
	PeerConnectionRate                        // beyond PeerLimits.ConnectionRate
	PeerHandshakeRate                         // beyond PeerLimits.HandshakeRate
	peerRefusals
)

var peerRefusalNames = [peerRefusals]string{
	PeerConnections:    "peer-connections",
	PeerConnectionRate: "peer-connection-rate",
	PeerHandshakeRate:  "peer-handshake-rate",
}

// String returns a short name, the reason in the log.
func (r PeerRefusal) String() string {
	if r == 0 || r >= peerRefusals {
		return "unknown"
	}
	return peerRefusalNames[r]
}

// peerRules are PeerLimits in the form in which a peerTable uses them.
type peerRules struct {
	connections int64
	requests    int64
	answered    int64 // refused connections that are answered at a time
	accepts     rate.Limit
	handshakes  rate.Limit
	prefix4     int
	prefix6     int
	spared      func(netip.Addr) bool
	maxPeers    int
}

// rules returns l with its defaults; nil if it limits nothing.
func (l *PeerLimits) rules() (*peerRules, error) {
	if l.Connections < 0 || l.Requests < 0 || l.ConnectionRate < 0 || l.HandshakeRate < 0 || l.MaxPeers < 0 {
		return nil, errors.New("reactor: a limit of peers is negative")
	}
	if l.Prefix4 < 0 || l.Prefix4 > 32 || l.Prefix6 < 0 || l.Prefix6 > 128 {
		return nil, errors.New("reactor: want a prefix of peers of at most 32 bits for IPv4 and 128 for IPv6")
	}
	if l.Connections == 0 && l.Requests == 0 && l.ConnectionRate == 0 && l.HandshakeRate == 0 {
		return nil, nil
	}
	r := &peerRules{
		connections: int64(l.Connections), requests: int64(l.Requests),
		answered: int64(min(max(l.Connections, leastAnswered), mostAnswered)),
		prefix4:  l.Prefix4, prefix6: l.Prefix6, spared: l.Spared, maxPeers: l.MaxPeers,
	}
	setDefault(&r.prefix4, prefix4Default)
	setDefault(&r.prefix6, prefix6Default)
	setDefault(&r.maxPeers, maxPeersDefault)
	var err error
	if l.ConnectionRate > 0 {
		if r.accepts, err = rate.NewLimit(l.ConnectionRate, 0, 0); err != nil {
			return nil, err
		}
	}
	if l.HandshakeRate > 0 {
		if r.handshakes, err = rate.NewLimit(l.HandshakeRate, 0, 0); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// limited returns the prefix that stands for the peer with that address. ok is false if the peer has no limits.
func (r *peerRules) limited(addr netip.Addr) (prefix netip.Prefix, ok bool) {
	if !addr.IsValid() {
		return prefix, false
	}
	addr = addr.Unmap().WithZone("")
	if r.spared != nil && r.spared(addr) {
		return prefix, false
	}
	bits := r.prefix6
	if addr.Is4() {
		bits = r.prefix4
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}
