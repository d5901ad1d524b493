//go:build linux

// Package testport reserves TCP ports of 127.0.0.1 for servers that cannot be given port 0 or a listening socket:
// tests and benchmarks write the number into a configuration and then start a program with it.
package testport

import (
	"errors"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Reservation keeps a port of 127.0.0.1 from all other uses but those by its number. It is a bound socket that never
// listens. As long as it is open, the kernel chooses the port neither for a bind to port 0 nor as the source of an
// outgoing connection, in any process; and a connection to the port is refused until a server listens.
//
// A server can bind the port and listen if it sets SO_REUSEADDR, as nearly all do, or SO_REUSEPORT and has the same
// user. It may end and start again meanwhile. A server that sets neither gets EADDRINUSE: pass it a listening socket
// instead.
type Reservation struct {
	socket int
	port   int
}

// Reserve chooses a free port. The caller releases it after the server has ended.
func Reserve() (*Reservation, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	r := &Reservation{socket: socket}
	if err := r.bind(); err != nil {
		return nil, errors.Join(err, r.Release())
	}
	return r, nil
}

func (r *Reservation) bind() error {
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(r.socket, unix.SOL_SOCKET, option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(r.socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(r.socket)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	r.port = bound.(*unix.SockaddrInet4).Port
	return nil
}

// Port returns the number of the port.
func (r *Reservation) Port() int { return r.port }

// Address returns "127.0.0.1:port".
func (r *Reservation) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// Release ends the reservation. It is called once.
func (r *Reservation) Release() error { return os.NewSyscallError("close", unix.Close(r.socket)) }

// Test is the part of testing.TB that Address needs.
type Test interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// Address reserves a port until the end of the test and returns "127.0.0.1:port". Clean-ups that the test registers
// later, such as the end of the server, run before the port is released.
func Address(t Test) string {
	t.Helper()
	r, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Release(); err != nil {
			t.Fatal(err)
		}
	})
	return r.Address()
}
