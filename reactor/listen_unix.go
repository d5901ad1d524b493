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

// longestUnixPath is the room of sockaddr_un without its final zero byte.
const longestUnixPath = 107

// openUnix binds a unix socket, which all Loops share. It replaces the file of a server that has ended. A file that is in
// use, or is not a socket, is an error. Closing the listener removes the file, unless another server has replaced it.
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
	// lockPatience bounds the wait for a directory's lock, which a server that starts holds for less than a millisecond.
	lockPatience = 200 * time.Millisecond
	lockPause    = 2 * time.Millisecond
)

// lockDirectory locks the directory of a socket, so that of two servers that start at once and find the same stale file,
// the second does not remove the new file of the first. Without a lock that risk remains: on file systems without locks,
// in a directory that may not be read, or while another program keeps the lock.
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

// clearStale removes the file of a socket on which no process listens.
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

// probeUnix tries to connect, without waiting.
func probeUnix(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

// bindUnix opens a listening socket. It sets the mode of the file before a client can connect.
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

// removeSocket removes the file of a listener, unless another file has its name.
func removeSocket(path string, ours os.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, ours) {
		_ = os.Remove(path)
	}
}
