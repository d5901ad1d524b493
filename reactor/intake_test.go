//go:build linux

package reactor

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection that its peer has reset has no address any more, and gnet would panic over it.
func TestResetOnTheWay(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fd, err := takeDescriptor(conn.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := peer.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = peer.Close()
	if _, err := io.ReadAll(conn); !errors.Is(err, unix.ECONNRESET) {
		t.Fatalf("read %v, want a reset", err)
	}
	if _, err := netConn(fd); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("got %v, want ENOTCONN", err)
	}
}
