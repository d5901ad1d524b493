//go:build linux

package server

import (
	"io"
	"slices"
)

// A tunnel is an HTTP/1.1 connection after its Upgrade: bytes both ways, without framing.

// leastTunnelRead is the least memory in bytes that the content of a tunnel is offered.
const leastTunnelRead = 512

// stepTunnel passes on bytes from the server.
func (s *h1Upstream) stepTunnel(in []byte) (n int, more bool) {
	if c := s.call; c != nil && len(in) > 0 {
		c.deliver(in)
	}
	return len(in), false
}

// transmitTunnel appends bytes for the server to dst, up to about room.
func (s *h1Upstream) transmitTunnel(dst []byte, room int) []byte {
	for limit := len(dst) + room; s.call != nil && len(dst) < limit; {
		dst = slices.Grow(dst, max(limit-len(dst), leastTunnelRead))
		n, err := (*callSource)(s.call).Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case err == io.EOF:
			s.conn.CloseWrite()
			return dst
		case err != nil:
			s.conn.Reset()
			return dst
		case n == 0:
			return dst
		}
	}
	return dst
}
