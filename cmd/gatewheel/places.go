//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/reactor"
)

// places are the addresses of the listeners so far. Two listeners on one address would fail with "address already
// in use", and the user would look for another process.
type places []place

// place is the path of a unix socket, or a TCP address.
type place struct {
	text string // as written by the user
	path string
	host string // empty: all addresses
	port uint64
}

// add adds a listener. It fails if another one has the same address, or one that includes it.
func (all *places) add(text string, l *reactor.ListenerConfig) error {
	if l.File != nil {
		return nil // the reactor compares inherited sockets
	}
	p := placeOf(text, l)
	for _, other := range *all {
		switch {
		case p.same(other):
			return fmt.Errorf("listen address %q is given twice", text)
		case other.covers(p):
			return fmt.Errorf("listen address %q is one of %q, which is given too", text, other.text)
		case p.covers(other):
			return fmt.Errorf("listen address %q is one of %q, which is given too", other.text, text)
		}
	}
	*all = append(*all, p)
	return nil
}

func placeOf(text string, l *reactor.ListenerConfig) place {
	p := place{text: text}
	if l.Network == "unix" {
		p.path = l.Address
		if absolute, err := filepath.Abs(p.path); err == nil && !strings.HasPrefix(p.path, "@") {
			p.path = absolute
		}
		return p
	}
	host, port, _ := net.SplitHostPort(l.Address) // parsed before
	p.host = host
	if ip, err := netip.ParseAddr(host); err == nil {
		p.host = ip.String()
	}
	if p.host == netip.IPv6Unspecified().String() {
		p.host = ""
	}
	p.port, _ = strconv.ParseUint(port, 10, 16)
	return p
}

// same reports whether p and other are one address. Port 0 is a different port each time.
func (p place) same(other place) bool {
	return p.path == other.path && p.host == other.host && p.port == other.port && (p.path != "" || p.port != 0)
}

// covers reports whether p is every address of a port and other one of them.
func (p place) covers(other place) bool {
	if p.path != "" || other.path != "" || p.port == 0 || p.port != other.port {
		return false
	}
	ip, err := netip.ParseAddr(other.host)
	return p.host == "" || p.host == netip.IPv4Unspecified().String() && err == nil && ip.Is4()
}
