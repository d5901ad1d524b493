//go:build linux

package nethttp

import (
	"cmp"
	"net/http"
	"time"

	"github.com/gatewheel/gatewheel/app/server"
)

// config returns the configuration of a server: that of s.Config, and for what is not set there, of the http.Server.
func (s *Server) config() server.Config {
	c, h := s.Config, s.http
	if c.Logger == nil && c.Slog == nil {
		c.Logger = logger(h)
	}
	// A handler of net/http has all the time it takes.
	c.RequestTimeout = cmp.Or(c.RequestTimeout, -1)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, -1)
	c.HeadTimeout = cmp.Or(c.HeadTimeout, h.ReadHeaderTimeout, h.ReadTimeout)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, handshakeTimeout(h))
	c.IdleTimeout = cmp.Or(c.IdleTimeout, h.IdleTimeout, h.ReadTimeout)
	// The next handler of a connection runs when the previous one has returned.
	c.HTTP1.Pipelined = cmp.Or(c.HTTP1.Pipelined, 1)
	limitHeads(&c, cmp.Or(h.MaxHeaderBytes, http.DefaultMaxHeaderBytes))
	chooseProtocols(&c, h)
	c.HTTP2.NoConnectProtocol = true
	setHTTP2(&c, h.HTTP2)
	return c
}

// handshakeTimeout returns the time limit of a TLS handshake: the smallest one of the http.Server; 0 if it has none.
func handshakeTimeout(h *http.Server) time.Duration {
	var least time.Duration
	for _, d := range [...]time.Duration{h.ReadHeaderTimeout, h.ReadTimeout, h.WriteTimeout} {
		if d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// slack is what net/http reads beyond MaxHeaderBytes.
const slack = 4 << 10

// limitHeads limits the heads of requests to n bytes.
func limitHeads(c *server.Config, n int) {
	c.HTTP1.Target = cmp.Or(c.HTTP1.Target, n+slack)
	c.HTTP1.FieldSize = cmp.Or(c.HTTP1.FieldSize, n+slack)
	c.HTTP1.Fields = cmp.Or(c.HTTP1.Fields, maxFields)
	c.HTTP2.MaxHeaderListSize = cmp.Or(c.HTTP2.MaxHeaderListSize, uint32(min(max(n+10*32, 1<<10), 16<<20)))
}

// maxFields is the largest number of field lines. net/http has no limit of its own.
const maxFields = 10_000

// chooseProtocols turns off what the http.Server does. Without Protocols there is HTTP/2 in cleartext too.
func chooseProtocols(c *server.Config, h *http.Server) {
	switch p := h.Protocols; {
	case p != nil:
		c.HTTP2.Disabled = c.HTTP2.Disabled || !p.HTTP2() && !p.UnencryptedHTTP2()
		c.HTTP2.TLSOnly = c.HTTP2.TLSOnly || !p.UnencryptedHTTP2()
		c.HTTP2.Only = c.HTTP2.Only || !p.HTTP1() && !c.HTTP2.Disabled
	case p == nil && h.TLSNextProto != nil && h.TLSNextProto["h2"] == nil:
		c.HTTP2.Disabled = true
	}
}

// setHTTP2 takes over the settings of HTTP/2.
func setHTTP2(c *server.Config, h *http.HTTP2Config) {
	if h == nil {
		return
	}
	set := func(to *uint32, n int) {
		if *to == 0 && n > 0 {
			*to = uint32(n)
		}
	}
	set(&c.HTTP2.MaxConcurrentStreams, h.MaxConcurrentStreams)
	set(&c.HTTP2.MaxFrameSize, h.MaxReadFrameSize)
	set(&c.HTTP2.ConnectionWindow, h.MaxReceiveBufferPerConnection)
	set(&c.HTTP2.InitialWindowSize, h.MaxReceiveBufferPerStream)
	c.HTTP2.KeepAlive = cmp.Or(c.HTTP2.KeepAlive, h.SendPingTimeout)
	c.HTTP2.KeepAliveTimeout = cmp.Or(c.HTTP2.KeepAliveTimeout, h.PingTimeout)
	c.HTTP2.StallTimeout = cmp.Or(c.HTTP2.StallTimeout, h.WriteByteTimeout)
}
