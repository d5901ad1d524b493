package reactor

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// CheckListeners returns an error if two listeners have one address, or one of them every address of a port and another
// one of these. Opening them would fail with "address already in use", as for the address of another process. Inherited
// sockets are compared by Reactor.Listen.
func CheckListeners(listeners []ListenerConfig) error {
	var all places
	for i := range listeners {
		if err := all.add(&listeners[i]); err != nil {
			return err
		}
	}
	return nil
}

// places are the addresses of listeners.
type places []place

// place is the path of a unix socket, or a TCP address.
type place struct {
	text string // in the form of ParseListenAddress
	path string
	host string // empty: all addresses
	port uint64
}

// add adds a listener. It fails if another one has the same address, or one that includes it.
func (all *places) add(l *ListenerConfig) error {
	if l.File != nil {
		return nil
	}
	p := placeOf(l)
	for _, other := range *all {
		switch {
		case p.same(other):
			return fmt.Errorf("listen address %q is given twice", p.text)
		case other.covers(p):
			return fmt.Errorf("listen address %q is one of %q, which is given too", p.text, other.text)
		case p.covers(other):
			return fmt.Errorf("listen address %q is one of %q, which is given too", other.text, p.text)
		}
	}
	*all = append(*all, p)
	return nil
}

func placeOf(l *ListenerConfig) place {
	p := place{text: l.Address}
	if l.Network == "unix" {
		p.text = "unix:" + l.Address
		p.path = l.Address
		if absolute, err := filepath.Abs(p.path); err == nil && !strings.HasPrefix(p.path, "@") {
			p.path = absolute
		}
		return p
	}
	host, port, _ := net.SplitHostPort(l.Address) // Listen reports what is wrong with it
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
