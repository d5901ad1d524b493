//go:build linux

package server

import (
	"crypto/tls"
	"net"
	"slices"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// listen opens one listener and returns its address. It warns if any peer may send a PROXY header.
func (s *Server) listen(l reactor.ListenerConfig) (net.Addr, error) {
	l.Open = s.open
	if l.TLS != nil {
		l.TLS = s.withALPN(l.TLS)
	}
	addr, err := s.reactor.Listen(l)
	if err != nil {
		return nil, err
	}
	if l.ProxyProtocol != reactor.ProxyOff && l.ProxyTrusted == nil && addr.Network() != "unix" {
		s.log.Warn("any peer may choose the address that it is seen under: no network restricts PROXY headers",
			zap.Stringer("address", addr), zap.Stringer("proxy_protocol", l.ProxyProtocol))
	}
	return addr, nil
}

// handler returns the handler of the listener that accepted the connection of x.
func (x *exchange) handler() app.Handler {
	if l := x.conn.Listener(); l != nil && l.Value != nil {
		return l.Value.(app.Handler)
	}
	return x.loop.server.config.Handler
}

// withALPN returns config with the protocols that the server speaks, for ALPN (RFC 7301).
func (s *Server) withALPN(config *tls.Config) *tls.Config {
	if s.config.HTTP2.Only {
		return certs.WithProtocols(config, "h2")
	}
	if !s.config.HTTP2.Disabled {
		return certs.WithProtocols(config, "h2", "http/1.1")
	}
	if slices.Contains(config.NextProtos, "h2") {
		config = config.Clone()
		config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(p string) bool { return p == "h2" })
	}
	return certs.WithProtocols(config, "http/1.1")
}
