//go:build linux

package reactor

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
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

// A start does not wait for whoever holds a lock on the directory, such as a clean-up that takes hours.
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
