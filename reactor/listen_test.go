//go:build linux

package reactor

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// unstarted is a Reactor whose Start never comes, as when one of several listeners fails.
func unstarted(t *testing.T) *Reactor {
	t.Helper()
	r, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.Stop(over)
	})
	return r
}

// Who connects before a start that fails must not keep it from failing.
func TestStopBeforeStart(t *testing.T) {
	r := unstarted(t)
	addr, err := r.Listen(ListenerConfig{Address: "127.0.0.1:0", Open: openTeller})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.Background()) }()
	if err := await(t, stopped); err != nil {
		t.Error(err)
	}
}

// Which of two listeners on one socket a connection came to would be chance.
func TestListenTwiceOnOneSocket(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := unstarted(t)
	for n := range 2 {
		file, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		if _, err = r.Listen(ListenerConfig{File: file, Open: openTeller}); (err != nil) != (n == 1) {
			t.Errorf("listening for the time %d: %v", n+1, err)
		} else if err != nil && !strings.Contains(err.Error(), "listened on twice") {
			t.Error(err)
		}
	}
}

// A start does not wait for a process that holds a lock on the directory, which may take hours.
func TestUnixSocketInLockedDirectory(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	opened := make(chan error, 1)
	go func() {
		s, err := openUnix(&ListenerConfig{Network: "unix", Address: dir + "/x.sock"})
		if err == nil {
			s.close()
		}
		opened <- err
	}()
	if err := await(t, opened); err != nil {
		t.Error(err)
	}
}

func TestUnixSocketErrorsNameTheSocket(t *testing.T) {
	path := t.TempDir() + "/none/x.sock"
	if _, err := openUnix(&ListenerConfig{Network: "unix", Address: path}); err == nil || !strings.Contains(err.Error(), path) || !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v, want it to name %s", err, path)
	}
}

// A client that waits for the port is served by its first connection.
func TestNoConnectionIsLostWhileListening(t *testing.T) {
	address := testport.Address(t)
	for range 3000 {
		dialing, stop := context.WithCancel(t.Context())
		connected := make(chan net.Conn, 1)
		go func() {
			defer close(connected)
			for dialing.Err() == nil {
				if c, err := net.Dial("tcp", address); err == nil {
					connected <- c
					return
				}
			}
		}()
		s, err := openTCP(&ListenerConfig{Address: address}, 1, 0)
		if err != nil {
			stop()
			t.Fatal(err)
		}
		c := await(t, connected)
		stop()
		polled := []unix.PollFd{{Fd: int32(s.fd(0)), Events: unix.POLLIN}}
		if n, err := unix.Poll(polled, int(patience.Milliseconds())); n != 1 {
			t.Fatalf("the first connection is not there: %v", err)
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		s.close()
	}
}

// Of servers that start on one address at the same time, at most one listens.
func TestOneServerListensOnAnAddress(t *testing.T) {
	address := testport.Address(t)
	for range 300 {
		const servers = 4
		opened := make(chan sockets, servers)
		for n := range servers {
			go func() {
				s, err := openTCP(&ListenerConfig{Address: address}, 1+n, 0)
				if err != nil && !errors.Is(err, unix.EADDRINUSE) {
					t.Error(err)
				}
				opened <- s
			}()
		}
		listening := 0
		var all []sockets
		for range servers {
			s := await(t, opened)
			if len(s.fds) > 0 {
				listening++
			}
			all = append(all, s)
		}
		for _, s := range all {
			s.close()
		}
		if listening > 1 {
			t.Fatalf("%d servers listen on %s", listening, address)
		}
	}
}

// The kernel spreads connections over the sockets of all Loops, that of the first included.
func TestEachLoopIsGivenConnections(t *testing.T) {
	const loops, connections = 4, 400
	for _, address := range []string{"127.0.0.1:0", testport.Address(t)} {
		s, err := openTCP(&ListenerConfig{Address: address}, loops, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		for range connections {
			c, err := net.Dial("tcp", s.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		accepted := make([]int, loops)
		for i, fd := range s.fds {
			for {
				conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
				if err != nil {
					break
				}
				accepted[i]++
				_ = unix.Close(conn)
			}
		}
		for i, n := range accepted {
			// 100 each on average, with a standard deviation of 9.
			if n < connections/loops/4 {
				t.Errorf("%s: socket %d of %v has too few connections", address, i, accepted)
			}
		}
	}
}
