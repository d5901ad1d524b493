//go:build linux

package engine

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// placeholder is the address that gnet is given for the listening socket with that index; ours takes its place. The
// index is read back from it for every connection.
func placeholder(i int) string { return fmt.Sprintf("127.0.%d.%d:0", i/250, i%250+1) }

func placeholderIndex(addr net.Addr) int {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return -1 // of a socket that gnet has closed
	}
	ip := tcp.IP.To4()
	return int(ip[2])*250 + int(ip[3]) - 1
}

// boot puts the doorbell over each of gnet's listening sockets before gnet polls them, so that nobody else can
// connect there, and rings it: the first connection shows gnet's event loop and epoll set.
func (e *gnetEngine) boot(g gnet.Engine) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked {
		return ErrEnded
	}
	e.gnet, e.booted = g, true
	doorbell, address, err := openDoorbell()
	if err != nil {
		return err
	}
	defer unix.Close(doorbell)
	e.doorbell = address
	if e.inert, _, err = openDoorbell(); err != nil {
		return err
	}
	for i := range len(e.config.Listeners) + 1 {
		fd, err := gnetListener(g, placeholder(i))
		if err != nil {
			return err
		}
		if err := unix.Dup3(doorbell, fd, unix.O_CLOEXEC); err != nil {
			return os.NewSyscallError("dup3", err)
		}
		e.sources = append(e.sources, source{fd: fd})
	}
	return ringDoorbell(address)
}

// connect completes the engine with the first socket that gnet has opened.
func (e *gnetEngine) connect(g gnet.Conn) error {
	epoll, err := nearestDescriptor(g.Fd(), func(fd int) bool {
		// Only a set that has the socket takes this, and it changes nothing there.
		return unix.EpollCtl(fd, unix.EPOLL_CTL_MOD, g.Fd(), &unix.EpollEvent{Fd: int32(g.Fd()), Events: readEvents}) == nil
	})
	if err != nil {
		return fmt.Errorf("gnet's epoll set: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// An engine that fails before it serves has accepted nothing: its listening sockets are polled from Listen on.
	for i, ln := range e.config.Listeners {
		fd := e.sources[i].fd
		_ = unix.EpollCtl(epoll, unix.EPOLL_CTL_DEL, fd, nil)
		if err := ln.PutOver(fd); err != nil {
			return err
		}
	}
	if e.gone {
		return ErrEnded
	}
	e.eventLoop, e.epoll = g.EventLoop(), epoll
	e.connected, e.served = true, true
	return nil
}

// gnetListener finds the descriptor of gnet's listening socket: the one that is the same socket as the duplicate that
// gnet gives.
func gnetListener(g gnet.Engine, address string) (int, error) {
	dup, err := g.DupListener("tcp", address)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dup)
	var want unix.Stat_t
	if err := unix.Fstat(dup, &want); err != nil {
		return -1, os.NewSyscallError("fstat", err)
	}
	fd, err := nearestDescriptor(dup, func(fd int) bool {
		var have unix.Stat_t
		return unix.Fstat(fd, &have) == nil && have.Ino == want.Ino && have.Dev == want.Dev
	})
	if err != nil {
		return -1, fmt.Errorf("gnet's listening socket: %w", err)
	}
	return fd, nil
}

var errNoDescriptor = errors.New("descriptor not found; this release of gnet is not supported")

// nearestDescriptor finds the descriptor that fits and was opened shortly before or after fd, so that its number most
// likely is near by. It tries each number of the process's descriptor table at most once.
func nearestDescriptor(fd int, fits func(fd int) bool) (int, error) {
	size, err := descriptorTable()
	if err != nil {
		return -1, err
	}
	for distance := 1; fd-distance >= 0 || fd+distance < size; distance++ {
		if fd-distance >= 0 && fits(fd-distance) {
			return fd - distance, nil
		}
		if fd+distance < size && fits(fd+distance) {
			return fd + distance, nil
		}
	}
	return -1, errNoDescriptor
}

// descriptorTable is the size of the process's descriptor table: all open descriptors are below it. It grows with the
// descriptors that were open at once, and not with the limit of them.
func descriptorTable() (int, error) {
	file, err := os.Open("/proc/thread-self/status")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if size, found := strings.CutPrefix(lines.Text(), "FDSize:"); found {
			return strconv.Atoi(strings.TrimSpace(size))
		}
	}
	return 0, errors.New("/proc/thread-self/status has no FDSize")
}
