//go:build linux

package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// longestUnixPath is what sockaddr_un holds beside its final zero byte.
const longestUnixPath = 107

func checkUnixPath(path string) error {
	if len(path) > longestUnixPath {
		return fmt.Errorf("unix socket path %q is %d bytes long: the kernel takes %d at most", path, len(path), longestUnixPath)
	}
	return nil
}

// openUnix binds a unix socket, which all Loops share. A file that a dead server has left is replaced;
// one that somebody listens on, or that is no socket, is an error. The file goes when the listener
// does, unless it has become somebody else's meanwhile.
//
// A name that begins with @ is abstract: it has no file, and no permissions.
func openUnix(config *ListenerConfig) (sockets, error) {
	path := config.Address
	if err := checkUnixPath(path); err != nil {
		return sockets{}, err
	}
	s := sockets{addr: &net.UnixAddr{Name: path, Net: "unix"}}
	if strings.HasPrefix(path, "@") {
		fd, err := bindUnix(path, 0)
		if err != nil {
			return sockets{}, err
		}
		s.fds = []int{fd}
		return s, nil
	}
	path, err := filepath.Abs(path) // the working directory may change before the file is removed
	if err != nil {
		return sockets{}, err
	}
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return sockets{}, fmt.Errorf("unix socket %s: %w", path, err)
	}
	defer unlock()
	if err := clearStale(config.Address); err != nil {
		return sockets{}, err
	}
	fd, err := bindUnix(config.Address, config.SocketMode)
	if err != nil {
		return sockets{}, err
	}
	s.fds = []int{fd}
	ours, err := os.Lstat(path)
	if err != nil {
		s.close()
		return sockets{}, err
	}
	s.release = func() { removeSocket(path, ours) }
	return s, nil
}

const (
	// lockPatience bounds the wait for a directory's lock. A server that starts holds it for less than
	// a millisecond; whoever holds it for longer does so for other reasons.
	lockPatience = 200 * time.Millisecond
	lockPause    = 2 * time.Millisecond
)

// lockDirectory keeps two servers that start at once from both finding the same stale file, and the
// second from removing what the first has put in its place. Where there is no lock to be had, that
// risk is left: on file systems without them, in a directory that may be written and not read, or
// when somebody else keeps it.
func lockDirectory(directory string) (unlock func(), err error) {
	d, err := os.Open(directory)
	switch {
	case errors.Is(err, os.ErrPermission):
		return func() {}, nil
	case err != nil:
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK && err != unix.EINTR || time.Now().After(deadline) {
			return func() { d.Close() }, nil
		}
	}
}

// clearStale removes a socket that nobody listens on.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	switch err := probeUnix(path); {
	case err == nil, errors.Is(err, unix.EAGAIN): // EAGAIN: its queue is full
		return fmt.Errorf("%s is in use: another process listens on it", path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	default:
		return fmt.Errorf("%s exists, and whether somebody listens on it cannot be found out: %w", path, err)
	}
}

// probeUnix connects, without waiting.
func probeUnix(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

// bindUnix opens a listening socket. Its file has its mode before anybody can connect.
func bindUnix(path string, mode os.FileMode) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("unix socket %s: %w", path, os.NewSyscallError("bind", err))
	}
	if mode != 0 {
		err = os.Chmod(path, mode.Perm())
	}
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, listenBacklog))
	}
	if err != nil {
		_ = unix.Close(fd)
		_ = os.Remove(path)
		return -1, err
	}
	return fd, nil
}

// removeSocket removes the file that a listener has made, and no other.
func removeSocket(path string, ours os.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, ours) {
		_ = os.Remove(path)
	}
}
