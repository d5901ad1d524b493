//go:build linux

package reactor

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openedUnix opens a unix socket and sees to it that the test leaves none.
func openedUnix(t *testing.T, config ListenerConfig) sockets {
	t.Helper()
	config.Network = "unix"
	s, err := openUnix(&config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func TestUnixSocketComesAndGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	s := openedUnix(t, ListenerConfig{Address: path, SocketMode: 0o620})
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != os.ModeSocket|0o620 {
		t.Errorf("mode %v, want a socket with rw--w----", got)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal("nobody listens: ", err)
	}
	c.Close()
	s.close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there after the end: %v", err)
	}
}

func TestUnixSocketStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	// A server that died: bound, listened, and the descriptor is gone without its file.
	fd, err := bindUnix(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	openedUnix(t, ListenerConfig{Address: path})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal("the stale file was not replaced: ", err)
	}
	c.Close()
}

func TestUnixSocketLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	openedUnix(t, ListenerConfig{Address: path})
	_, err := openUnix(&ListenerConfig{Network: "unix", Address: path})
	if err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Fatalf("a second server on a live socket: %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Fatal("the first server lost its file: ", err)
	} else {
		c.Close()
	}
}

func TestUnixSocketOverAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openUnix(&ListenerConfig{Network: "unix", Address: path}); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Fatalf("listening over an ordinary file: %v", err)
	}
	if content, _ := os.ReadFile(path); string(content) != "data" {
		t.Fatal("the file is gone")
	}
}

func TestUnixSocketLeavesItsSuccessorAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	first := openedUnix(t, ListenerConfig{Address: path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	openedUnix(t, ListenerConfig{Address: path})
	first.close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("the first server removed the second one's file: ", err)
	}
}

func TestUnixSocketAbstract(t *testing.T) {
	name := "@gatewheel-test-" + filepath.Base(t.TempDir()) + t.Name()
	openedUnix(t, ListenerConfig{Address: name})
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
