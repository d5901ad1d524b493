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

// places are where the listeners so far listen. Two of them in one place would find it in use, and the user
// would look for another process.
type places []place

// place is a unix socket's path, or a TCP address.
type place struct {
	text string // as the user has written it
	path string
	host string // empty: all addresses
	port uint64
}

// add refuses a listener that is where another one is.
func (all *places) add(text string, l *reactor.ListenerConfig) error {
	if l.File != nil {
		return nil // the reactor tells inherited sockets apart
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
	host, port, _ := net.SplitHostPort(l.Address) // it has been parsed
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

// same tells whether both are one place. Port 0 is another one each time.
func (p place) same(other place) bool {
	return p.path == other.path && p.host == other.host && p.port == other.port && (p.path != "" || p.port != 0)
}

// covers tells whether p is all addresses of a port, and other is one of them.
func (p place) covers(other place) bool {
	if p.path != "" || other.path != "" || p.port == 0 || p.port != other.port {
		return false
	}
	ip, err := netip.ParseAddr(other.host)
	return p.host == "" || p.host == netip.IPv4Unspecified().String() && err == nil && ip.Is4()
}
