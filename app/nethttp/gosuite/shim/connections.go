//go:build linux

package shim

import (
	"net"
	"net/http/httptest"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseClientConnections stands in for httptest.Server.CloseClientConnections: it shuts down each socket of this process
// that was accepted from the server's address.
func CloseClientConnections(s *httptest.Server) {
	address, ok := s.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if _, err := unix.Getpeername(fd); err != nil {
			continue
		}
		local, err := unix.Getsockname(fd)
		if four, ok := local.(*unix.SockaddrInet4); ok && err == nil && four.Port == address.Port {
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		}
	}
}
