//go:build linux

package server

import (
	"net/netip"

	"github.com/gatewheel/gatewheel/reactor"
)

// reactor returns the limits of the reactor.
func (l *PeerLimits) reactor(trusted []netip.Prefix) reactor.PeerLimits {
	exempt := append(append([]netip.Prefix(nil), l.Exempt...), trusted...)
	for i, network := range exempt {
		exempt[i] = unmapped(network)
	}
	spared := func(addr netip.Addr) bool {
		for _, network := range exempt {
			if network.Contains(addr) {
				return true
			}
		}
		return false
	}
	return reactor.PeerLimits{
		Connections:    l.Connections,
		ConnectionRate: l.ConnectionRate,
		HandshakeRate:  l.HandshakeRate,
		Requests:       l.Requests,
		Prefix4:        l.PrefixV4,
		Prefix6:        l.PrefixV6,
		Spared:         spared,
	}
}

// unmapped returns a network of IPv4-mapped IPv6 addresses as one of IPv4, and others as they are.
func unmapped(network netip.Prefix) netip.Prefix {
	const mappedBits = 96 // RFC 4291 section 2.5.5.2
	if addr := network.Addr(); addr.Is4In6() && network.Bits() >= mappedBits {
		return netip.PrefixFrom(addr.Unmap(), network.Bits()-mappedBits)
	}
	return network
}

// peerReason returns the Reason of a limit of the reactor.
func peerReason(refusal reactor.PeerRefusal) Reason {
	switch refusal {
	case reactor.PeerConnectionRate:
		return PeerConnectionRate
	case reactor.PeerHandshakeRate:
		return PeerHandshakeRate
	default:
		return PeerConnections
	}
}
