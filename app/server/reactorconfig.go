//go:build linux

package server

import (
	"cmp"

	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/reactor"
)

// http1 returns the limits of HTTP/1, with MaxBody and MaxUnsent where it has none of its own.
func (c *Config) http1() h1.Limits {
	limits := c.HTTP1
	if limits.Content == 0 {
		limits.Content = c.MaxBody
	}
	limits.Unsent = cmp.Or(limits.Unsent, int(c.MaxUnsent))
	return limits
}

// inputLimit returns the maximum number of input bytes that the reactor keeps for a session. A head of HTTP/1 and a
// frame of HTTP/2 fit into it.
func (s *Server) inputLimit() int {
	head := s.config.HTTP1.Target + s.config.HTTP1.FieldSize
	return max(1<<20, 2*head, 2*int(s.config.HTTP2.MaxFrameSize))
}

// outputShare is the part of Config.MemoryLimit, one in so many, that the unsent output of one connection may take, in
// memory and again in the kernel: a few thousand peers that do not read fit into a quarter of the limit.
const (
	outputShare = 8192
	leastOutput = 16 << 10 // bytes
)

// output returns the number of bytes that a connection may have unsent; 0: the reactor's default.
func (c *Config) output() int {
	if c.MemoryLimit <= 0 || c.MemoryLimit/outputShare >= 128<<10 {
		return 0
	}
	return int(max(c.MemoryLimit/outputShare, leastOutput))
}

// reactorConfig returns the configuration of the reactor, which has its own defaults for 0.
func (s *Server) reactorConfig() reactor.Config {
	c := &s.config
	return reactor.Config{
		Loops:            c.Loops,
		Logger:           c.Logger,
		MaxConnections:   c.MaxConnections,
		Refuse:           s.refuseConnection,
		Peers:            c.Peers.reactor(c.TrustedProxies),
		TurnAway:         turnAway,
		HandshakeTimeout: c.HandshakeTimeout,
		StallWarn:        c.Stall.Warn,
		StallTimeout:     c.Stall.Timeout,
		StallRestarts:    c.Stall.Restarts,
		StallReported:    c.Stall.Reported,
		Abort:            c.Stall.Abort,
		MaxKept:          s.inputLimit(),
		WriteHigh:        c.output(),
		NotsentLowat:     c.output(),
		Renew:            func(r *reactor.Loop) { loopOf.Get(r).renew() },
	}
}
