package gateway

import (
	"net"
	"net/netip"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/spi"
)

// sharing says which clients a connection to a peer serves.
type sharing struct {
	separate bool // each serves one connection of a client
	// header is the version of the PROXY protocol whose header is sent first on each
	// connection, 1 or 2; 0: none.
	header byte
}

// sharingOf returns what a backend says.
func sharingOf(b *config.Backend) (s sharing) {
	switch b.ProxyProtocol {
	case config.ProxyV1:
		s.header = 1
	case config.ProxyV2:
		s.header = 2
	}
	s.separate = s.header > 0 || b.Share == config.Off
	return s
}

// privates has the connections to peers that serve one connection of a client. It belongs
// to the loop.
type privates map[*client.Origin]*client.Private

// Private implements client.Separator.
func (x *exchange) Private(o *client.Origin) *client.Private {
	if !x.backend.sharing.separate {
		return nil
	}
	return x.l.private(x.r.Conn(), x.dialer, o, x.backend.sharing.header)
}

// private returns the connections to o of the client's connection, and closes them at its
// end.
func (l *loopState) private(conn *app.ConnInfo, d spi.Dialer, o *client.Origin, header byte) *client.Private {
	of := l.privates[conn]
	if of == nil {
		of = privates{}
		if l.privates == nil {
			l.privates = map[*app.ConnInfo]privates{}
		}
		l.privates[conn] = of
		l.home.(spi.ConnWatcher).WatchConn(conn, func() {
			delete(l.privates, conn)
			for _, p := range of {
				p.Close()
			}
		})
	}
	p := of[o]
	if p == nil {
		p = o.Private(d, proxyHeader(header, conn))
		of[o] = p
	}
	return p
}

// proxyHeader returns the header of the PROXY protocol with the addresses of a client's
// connection; nil for version 0. Without a connection, or without addresses, as of a unix
// socket, it declares the connection as the gateway's own (LOCAL, UNKNOWN).
func proxyHeader(version byte, conn *app.ConnInfo) []byte {
	if version == 0 {
		return nil
	}
	h := &proxyproto.Header{Version: version, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	if conn != nil && conn.Peer.IsValid() && conn.Local.IsValid() {
		peer, local := unmapped(conn.Peer), unmapped(conn.Local)
		h.Command, h.TransportProtocol = proxyproto.PROXY, proxyproto.TCPv4
		if peer.Addr().Is6() || local.Addr().Is6() {
			h.TransportProtocol = proxyproto.TCPv6
			peer, local = as6(peer), as6(local)
		}
		h.SourceAddr, h.DestinationAddr = net.TCPAddrFromAddrPort(peer), net.TCPAddrFromAddrPort(local)
	}
	text, _ := h.Format() // what is set is valid
	return text
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func as6(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}
