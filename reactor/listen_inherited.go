//go:build linux

package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// firstInherited is the first inherited descriptor (SD_LISTEN_FDS_START).
const firstInherited = 3

// activated returns the sockets that systemd has passed, to this process or to the one that it replaces. The first call
// removes them from the environment, so that child processes do not use them.
var activated = sync.OnceValue(func() []*os.File {
	if in := inheritance.Load(); in != nil {
		return in.activated()
	}
	return activation.Files(true)
})

// activatedListeners returns the sockets that systemd has passed under name, or all of them for an empty name.
func activatedListeners(name string) ([]ListenerConfig, error) {
	files := activated()
	if len(files) == 0 {
		return nil, errors.New("systemd has passed no socket: LISTEN_FDS and LISTEN_PID are not set for this process")
	}
	var configs []ListenerConfig
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
		if name != "" && file.Name() != name {
			continue
		}
		if err := checkListening(int(file.Fd())); err != nil {
			return nil, fmt.Errorf("socket %q from systemd %w", file.Name(), err)
		}
		if in := inheritance.Load(); in != nil {
			in.take(file)
		}
		configs = append(configs, ListenerConfig{File: file})
	}
	if len(configs) == 0 {
		return nil, fmt.Errorf("systemd has passed no socket named %q, but %s", name, strings.Join(names, ", "))
	}
	return configs, nil
}

// parseDescriptor returns the listener of an inherited socket.
func parseDescriptor(text, number string) ([]ListenerConfig, error) {
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("listen address %q has no descriptor number: write fd:3", text)
	}
	fd := int(n)
	if in := inheritance.Load(); in != nil {
		if file := in.takeFile(text); file != nil {
			return []ListenerConfig{{File: file}}, nil
		}
	}
	if fd < firstInherited {
		return nil, fmt.Errorf("listen address %q is a standard stream: inherited sockets begin at fd:%d", text, firstInherited)
	}
	if err := checkListening(fd); err != nil {
		return nil, fmt.Errorf("listen address %q: descriptor %d %w", text, fd, err)
	}
	unix.CloseOnExec(fd)
	return []ListenerConfig{{File: os.NewFile(uintptr(fd), text)}}, nil
}

// openInherited duplicates config.File. All Loops share that socket, since its creator has decided about SO_REUSEPORT.
func openInherited(config *ListenerConfig, notsentLowat int) (sockets, error) {
	if err := checkListening(int(config.File.Fd())); err != nil {
		return sockets{}, fmt.Errorf("reactor: inherited descriptor %s %w", config.File.Name(), err)
	}
	listener, err := net.FileListener(config.File)
	if err != nil {
		return sockets{}, err
	}
	defer listener.Close()
	fd, err := takeDescriptor(listener.(syscall.Conn))
	if err != nil {
		return sockets{}, err
	}
	if listener.Addr().Network() != "unix" {
		if err := prepareListening(fd, notsentLowat); err != nil {
			_ = unix.Close(fd)
			return sockets{}, err
		}
	}
	s := sockets{fds: []int{fd}, addr: listener.Addr()}
	if in := inheritance.Load(); in != nil && in.has(config.File) {
		s.inherited = in
	}
	return s, nil
}

// refuseTwice returns an error for an inherited socket that another listener has: each connection would go to either.
func (r *Reactor) refuseTwice(file *os.File) error {
	var wanted, taken unix.Stat_t
	if file == nil || unix.Fstat(int(file.Fd()), &wanted) != nil {
		return nil
	}
	for _, ln := range r.listeners {
		for _, fd := range ln.sockets.fds {
			if unix.Fstat(fd, &taken) == nil && taken.Ino == wanted.Ino && taken.Dev == wanted.Dev {
				return fmt.Errorf("inherited socket %s is listened on twice", file.Name())
			}
		}
	}
	return nil
}

// checkListening returns an error if a descriptor is not a listening stream socket.
func checkListening(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	switch {
	case errors.Is(err, unix.EBADF):
		return errors.New("is not open")
	case errors.Is(err, unix.ENOTSOCK):
		return errors.New("is not a socket")
	case err != nil:
		return os.NewSyscallError("getsockopt SO_TYPE", err)
	case kind != unix.SOCK_STREAM:
		return errors.New("is not a stream socket")
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return os.NewSyscallError("getsockopt SO_ACCEPTCONN", err)
	}
	if listening == 0 {
		return errors.New("is not listening")
	}
	return nil
}
