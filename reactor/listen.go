//go:build linux

package reactor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// listenBacklog is the requested length of the accept queue. The kernel limits it to net.core.somaxconn.
	listenBacklog = 65535
	// Keep-alive probes detect a peer that is gone after about two minutes. In seconds.
	keepAliveIdle     = 60
	keepAliveInterval = 15
	keepAliveCount    = 4
)

// listener is a ListenerConfig with its open sockets. Its methods may be called on any goroutine.
type listener struct {
	config ListenerConfig
	addr   net.Addr
	loops  int
	// continued reports whether the sockets belong to the listener before this one, which has got more of them than
	// there are Loops.
	continued bool
	// handedOver reports whether another process accepts from the sockets. Their queue and their file are left to it.
	handedOver atomic.Bool
	// early has, for each socket, the number of connections that may have been established before its options were set,
	// and so have not inherited them. Set before the first accept, then counted down by those who accept.
	early []atomic.Int32
	// multipath reports whether the sockets speak Multipath TCP, as those of package net do. Connections accepted from them
	// do not inherit all options.
	multipath bool

	mu      sync.Mutex
	sockets sockets // without descriptors once closed
}

// newListener returns the listener of open sockets, for so many Loops.
func newListener(config ListenerConfig, s sockets, loops int) *listener {
	ln := &listener{config: config, addr: s.addr, loops: loops, sockets: s, early: make([]atomic.Int32, len(s.fds))}
	if s.addr.Network() == "tcp" {
		for i, fd := range s.fds {
			ln.early[i].Store(int32(waitingConnections(fd)))
			protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
			ln.multipath = ln.multipath || err == nil && protocol == unix.IPPROTO_MPTCP
		}
	}
	return ln
}

// prepare sets the options of a connection that l has accepted, if it may not have inherited them.
func (ln *listener) prepare(l *Loop, fd int) {
	early := &ln.early[l.index%len(ln.early)]
	if ln.multipath || early.Load() > 0 && early.Add(-1) >= 0 {
		_ = prepareTCP(fd, l.reactor.config.NotsentLowat) // it works without, if more slowly
	}
}

// shared reports whether other Loops accept from the socket of the Loop with that index.
func (ln *listener) shared(loop int) bool {
	sockets := len(ln.early)
	return loop >= sockets || loop+sockets < ln.loops
}

// duplicate returns a new descriptor of the socket that the Loop with that index accepts from.
func (ln *listener) duplicate(loop int) (int, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.sockets.fds) == 0 {
		return -1, net.ErrClosed
	}
	return duplicate(ln.sockets.fd(loop))
}

// putOver makes the descriptor fd refer to the socket of the Loop with that index. It does nothing if the listener is
// closed.
func (ln *listener) putOver(fd, loop int) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.sockets.fds) == 0 {
		return nil
	}
	return os.NewSyscallError("dup3", unix.Dup3(ln.sockets.fd(loop), fd, unix.O_CLOEXEC))
}

func (ln *listener) close() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.handedOver.Load() {
		ln.sockets.release = nil
	}
	ln.sockets.close()
}

// sockets are the open sockets of a ListenerConfig.
type sockets struct {
	fds     []int    // non-blocking and listening; one for each Loop, or fewer that they share
	addr    net.Addr // the bound address
	release func()   // called after the last descriptor was closed, to remove a file; may be nil
	// inherited is set for sockets that this process has got from the one that it replaces.
	inherited *Inheritance
}

// borrowed reports whether the process that this one is to replace still serves with the sockets.
func (s *sockets) borrowed() bool { return s.inherited != nil && !s.inherited.owned.Load() }

// fd returns the socket that the Loop with that index accepts from.
func (s *sockets) fd(loop int) int {
	return s.fds[loop%len(s.fds)]
}

func (s *sockets) close() {
	for _, fd := range s.fds {
		_ = unix.Close(fd)
	}
	s.fds = nil
	if s.release != nil {
		s.release()
		s.release = nil
	}
}

// openSockets opens the sockets of config for so many Loops.
func openSockets(config *ListenerConfig, loops, notsentLowat int) (sockets, error) {
	if s, ok := inheritedSockets(config, notsentLowat); ok {
		return s, nil
	}
	switch network := config.Network; {
	case config.File != nil:
		return openInherited(config, notsentLowat)
	case network == "unix":
		return openUnix(config)
	case network == "" || network == "tcp" || network == "tcp4" || network == "tcp6":
		return openTCP(config, loops, notsentLowat)
	default:
		return sockets{}, fmt.Errorf("reactor: cannot listen on network %q: want tcp, tcp4, tcp6 or unix", network)
	}
}

// openTCP opens one socket for each Loop with SO_REUSEPORT: the kernel spreads connections over them, and no Loop wakes
// for a connection that another accepts. The first socket is bound without that option, so that two servers of one user
// do not share a port unnoticed. From then on it takes connections, and stays open: a socket that only tried the address
// and was closed would reset those of clients that wait for the port.
func openTCP(config *ListenerConfig, loops, notsentLowat int) (s sockets, err error) {
	network := config.Network
	if network == "" {
		network = "tcp"
	}
	lc := singlePath()
	first, addr, err := listenTCP(lc, network, config.Address, notsentLowat)
	if err != nil {
		return s, err
	}
	s = sockets{fds: []int{first}, addr: addr}
	if loops == 1 {
		return s, nil
	}
	if err := sharePort(first); err != nil {
		s.close()
		return s, err
	}
	lc.Control = func(_, _ string, raw syscall.RawConn) (err error) {
		control := raw.Control(func(fd uintptr) { err = sharePort(int(fd)) })
		return errors.Join(control, err)
	}
	for range loops - 1 {
		fd, _, err := listenTCP(lc, network, addr.String(), notsentLowat)
		if err != nil {
			s.close()
			return s, err
		}
		s.fds = append(s.fds, fd)
	}
	return s, nil
}

// singlePath returns a configuration for plain TCP sockets.
func singlePath() *net.ListenConfig {
	lc := &net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}
	// Connections accepted from a multipath socket do not inherit all of its options.
	lc.SetMultipathTCP(false)
	return lc
}

// sharePort lets other sockets of this user with SO_REUSEPORT listen on the address of this one.
func sharePort(fd int) error {
	return setOption(fd, "SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// listenTCP opens one listening socket. The net package resolves the address and chooses its family.
func listenTCP(lc *net.ListenConfig, network, address string, notsentLowat int) (int, net.Addr, error) {
	ln, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return -1, nil, err
	}
	defer ln.Close()
	fd, err := takeDescriptor(ln.(*net.TCPListener))
	if err != nil {
		return -1, nil, err
	}
	if err := prepareListening(fd, notsentLowat); err != nil {
		_ = unix.Close(fd)
		return -1, nil, err
	}
	return fd, ln.Addr(), nil
}

// prepareListening sets the options that accepted connections inherit, and the backlog.
func prepareListening(fd, notsentLowat int) error {
	if err := prepareTCP(fd, notsentLowat); err != nil {
		return err
	}
	return os.NewSyscallError("listen", unix.Listen(fd, listenBacklog))
}

// prepareTCP sets the options of a TCP connection.
func prepareTCP(fd, notsentLowat int) error {
	return errors.Join(
		setOption(fd, "TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		keepAlive(fd),
		setOption(fd, "TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notsentLowat),
	)
}

// keepAlive turns on keep-alive probes.
func keepAlive(fd int) error {
	return errors.Join(
		setOption(fd, "SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
		setOption(fd, "TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle),
		setOption(fd, "TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval),
		setOption(fd, "TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount),
	)
}

func setOption(fd int, name string, level, option, value int) error {
	return os.NewSyscallError("setsockopt "+name, unix.SetsockoptInt(fd, level, option, value))
}

// takeDescriptor returns a duplicate of the descriptor of a socket of the net package.
func takeDescriptor(conn syscall.Conn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	control := raw.Control(func(theirs uintptr) { fd, err = duplicate(int(theirs)) })
	return fd, errors.Join(control, err)
}

// duplicate returns a duplicate of fd, with close-on-exec set.
func duplicate(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return dup, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
}
