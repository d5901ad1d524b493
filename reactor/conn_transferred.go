//go:build linux

package reactor

import "golang.org/x/sys/unix"

// Transferred returns the number of bytes that the kernel has received from the peer, and of those that the peer has
// acknowledged, with TLS; 0 for a connection that is not TCP. It costs a system call.
func (c *Conn) Transferred() (in, out uint64) {
	if c.Closed() {
		return 0, 0
	}
	info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0
	}
	return info.Bytes_received, info.Bytes_acked
}
