//go:build linux

package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketMode are the permissions of a unix socket: that of its owner.
const socketMode = 0o600

// Listener is an open admin listener with what decides about its requests.
type Listener struct {
	net.Listener
	name  string // the host in the address as it was given; may be empty
	token *token // nil: none is needed

	inherited *os.File // nil: the socket is opened
	owning    sync.Mutex
}

// Close closes the listener.
func (l *Listener) Close() error {
	l.owning.Lock()
	defer l.owning.Unlock()
	return l.Listener.Close()
}

// Listen opens the listener of an address: HOST:PORT, or unix:PATH, a socket that only the user of the process may
// connect to. tokenFile names a file with the token that every request then needs; without it, the address must be one
// of this machine alone: a unix socket with permissions, which an abstract one (unix:@NAME) has not, or a loopback
// address. An error is one sentence for the user.
func Listen(address, tokenFile string) (*Listener, error) {
	return ListenInherited(address, tokenFile, nil)
}

// ListenInherited is Listen with the open socket of that address, from Listener.Duplicate of the process that this
// one replaces. The caller keeps the file. If it is nil, the socket is opened.
func ListenInherited(address, tokenFile string, inherited *os.File) (*Listener, error) {
	l := &Listener{inherited: inherited}
	if tokenFile != "" {
		l.token = &token{file: tokenFile}
		if _, err := l.token.digest(time.Now()); err != nil {
			return nil, err
		}
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if l.token == nil && strings.HasPrefix(path, "@") {
			return nil, fmt.Errorf("%q is an abstract socket, to which every user of this machine may connect: name a file, or a token by --admin-token-file", address)
		}
		return l, l.listenUnix(path)
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return nil, fmt.Errorf("%q is not HOST:PORT or unix:PATH", address)
	}
	if l.name = host; l.token == nil && !isLoopback(host) {
		return nil, fmt.Errorf("%q can be reached from other machines, which needs a token: name its file by --admin-token-file, or listen on 127.0.0.1, [::1] or unix:PATH", address)
	}
	if strings.EqualFold(host, "localhost") {
		// Not what a hosts file says: the address is to be a loopback one.
		address = net.JoinHostPort("127.0.0.1", port)
	}
	if l.inherited != nil {
		return l, l.inherit()
	}
	l.Listener, err = net.Listen("tcp", address)
	return l, err
}

// inherit makes l listen on the inherited socket.
func (l *Listener) inherit() (err error) {
	l.Listener, err = net.FileListener(l.inherited)
	return err
}

// Duplicate returns a new descriptor of the socket, for a process that replaces this one. It has close-on-exec set.
func (l *Listener) Duplicate() (fd int, err error) {
	// The descriptor of File would make the socket blocking.
	raw, err := l.Listener.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	control := raw.Control(func(ours uintptr) { fd, err = unix.FcntlInt(ours, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(control, err)
}

// Own decides whether Close removes the file of a unix socket: yes for a socket that this process has opened, no for an
// inherited one, until Own is called. The process that has handed the socket over calls it with false, the other one with
// true. On any goroutine.
func (l *Listener) Own(on bool) {
	l.owning.Lock()
	defer l.owning.Unlock()
	if unix, ok := l.Listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(on)
	}
}

// isLoopback reports whether host is a name or an address of this machine alone.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// listenUnix listens on a unix socket, in place of one that a process has left behind.
func (l *Listener) listenUnix(path string) error {
	if path == "" {
		return errors.New("unix: has no path: write unix:/run/name.sock")
	}
	if l.inherited != nil {
		return l.inherit()
	}
	listen := func() (err error) {
		// The permissions of a socket are those of its inode before it is bound.
		config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			var failure error
			if err := c.Control(func(fd uintptr) { failure = unix.Fchmod(int(fd), socketMode) }); err != nil {
				return err
			}
			return failure
		}}
		l.Listener, err = config.Listen(context.Background(), "unix", path)
		return err
	}
	err := listen()
	if errors.Is(err, unix.EADDRINUSE) && isLeftBehind(path) {
		_ = os.Remove(path)
		err = listen()
	}
	return err
}

// isLeftBehind reports whether path is a socket that nobody listens on.
func isLeftBehind(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

// URL returns the address for a browser or curl; for a unix socket http+unix: and its path.
func (l *Listener) URL() string {
	if a := l.Addr(); a.Network() == "unix" {
		return "http+unix:" + a.String()
	}
	return "http://" + l.Addr().String()
}
