//go:build linux

package reactor

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// PassedListener is a listener on its way to the process that replaces this one. Its sockets stay open while one of the
// two processes has a descriptor of them, and with them the connections that wait to be accepted.
type PassedListener struct {
	// Name identifies the listener by its configuration.
	Name string
	// Descriptors are duplicates of all its sockets, with close-on-exec set. They belong to who has the PassedListener.
	Descriptors []int
}

// activatedPrefix begins the names of sockets from systemd.
const activatedPrefix = "systemd:"

// passedName returns the name under which the listener of config is passed. Two listeners can have one name: those of port
// 0, and sockets from systemd.
func passedName(config *ListenerConfig) string {
	switch {
	case config.File != nil && slices.Contains(activated(), config.File):
		return activatedPrefix + config.File.Name()
	case config.File != nil:
		return config.File.Name()
	case config.Network == "":
		return "tcp:" + config.Address
	}
	return config.Network + ":" + config.Address
}

// PassListeners returns all listeners with duplicates of their sockets, for a process that is to replace this one. Both
// processes may accept from them, until HandOver ends it. On any goroutine.
func (r *Reactor) PassListeners() (passed []PassedListener, err error) {
	for _, ln := range r.listeners {
		if !ln.continued {
			passed = append(passed, PassedListener{Name: passedName(&ln.config)})
		}
		to := &passed[len(passed)-1]
		if to.Descriptors, err = ln.appendDuplicates(to.Descriptors); err != nil {
			ClosePassed(passed)
			return nil, err
		}
	}
	return passed, nil
}

// appendDuplicates appends duplicates of the open sockets to fds.
func (ln *listener) appendDuplicates(fds []int) ([]int, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.sockets.fds) == 0 {
		return fds, net.ErrClosed
	}
	for _, fd := range ln.sockets.fds {
		dup, err := duplicate(fd)
		if err != nil {
			return fds, err
		}
		fds = append(fds, dup)
	}
	return fds, nil
}

// ClosePassed closes the descriptors of passed listeners.
func ClosePassed(passed []PassedListener) {
	for _, p := range passed {
		for _, fd := range p.Descriptors {
			_ = unix.Close(fd)
		}
	}
}

// HandOver leaves those listeners to the process that has taken them, by their index in the result of PassListeners:
// StopAccepting then does not accept the connections that wait in them, and files of unix sockets are not removed.
// Call it before StopAccepting. On any goroutine.
func (r *Reactor) HandOver(taken []int) {
	index := -1
	for _, ln := range r.listeners {
		if !ln.continued {
			index++
		}
		if slices.Contains(taken, index) {
			ln.handedOver.Store(true)
		}
	}
}

// inheritance is set by Inherit.
var inheritance atomic.Pointer[Inheritance]

// Inheritance holds the listeners that this process has got from the one that it replaces. Its methods may be called on
// any goroutine.
type Inheritance struct {
	owned atomic.Bool

	mu        sync.Mutex
	listeners []inheritedListener
}

type inheritedListener struct {
	PassedListener
	file  *os.File // in place of the descriptor, for sockets that this process does not open by itself
	taken bool
}

// Inherit lets this process use the listeners of the one that it replaces: ParseListenAddress finds descriptors and
// sockets of systemd under their old names, and Reactor.Listen takes sockets of the same address instead of opening new
// ones. Call it before these, at most once.
func Inherit(passed []PassedListener) *Inheritance {
	in := &Inheritance{}
	for _, p := range passed {
		l := inheritedListener{PassedListener: p}
		name, fromSystemd := strings.CutPrefix(p.Name, activatedPrefix)
		if fromSystemd || strings.HasPrefix(p.Name, "fd:") {
			l.file = os.NewFile(uintptr(p.Descriptors[0]), name)
		}
		in.listeners = append(in.listeners, l)
	}
	inheritance.Store(in)
	return in
}

// Taken returns the listeners that this process uses, by their index in the argument of Inherit.
func (in *Inheritance) Taken() (taken []int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.listeners {
		if in.listeners[i].taken {
			taken = append(taken, i)
		}
	}
	return taken
}

// CloseOthers closes the listeners that this process does not use. The process that it replaces still has them.
func (in *Inheritance) CloseOthers() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.listeners {
		switch l := &in.listeners[i]; {
		case l.taken:
			continue
		case l.file != nil:
			_ = l.file.Close()
		default:
			ClosePassed([]PassedListener{l.PassedListener})
		}
		in.listeners[i].Descriptors = nil
	}
}

// Own makes the inherited sockets those of this process: Reactor.StopAccepting accepts what waits in them, and removes the
// files of unix sockets. Before, the process that it replaces serves with them. Do not call it if that process may go on
// serving.
func (in *Inheritance) Own() { in.owned.Store(true) }

// activated returns the sockets that systemd has passed.
func (in *Inheritance) activated() (files []*os.File) {
	for i := range in.listeners {
		if strings.HasPrefix(in.listeners[i].Name, activatedPrefix) {
			files = append(files, in.listeners[i].file)
		}
	}
	return files
}

// has reports whether file is an inherited socket.
func (in *Inheritance) has(file *os.File) bool {
	return slices.ContainsFunc(in.listeners, func(l inheritedListener) bool { return l.file == file })
}

// take marks the listener of file as used.
func (in *Inheritance) take(file *os.File) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.listeners {
		if in.listeners[i].file == file {
			in.listeners[i].taken = true
		}
	}
}

// takeFile returns the socket that was inherited under a name such as fd:3, or nil.
func (in *Inheritance) takeFile(name string) *os.File {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.listeners {
		if l := &in.listeners[i]; l.Name == name && l.file != nil {
			l.taken = true
			return l.file
		}
	}
	return nil
}

// inheritedSockets returns the inherited sockets of config, if there are any.
func inheritedSockets(config *ListenerConfig, notsentLowat int) (sockets, bool) {
	in := inheritance.Load()
	if in == nil || config.File != nil {
		return sockets{}, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	name := passedName(config)
	for i := range in.listeners {
		if l := &in.listeners[i]; !l.taken && l.file == nil && l.Name == name {
			if addr := boundAddress(l.Descriptors); addr != nil {
				l.taken = true
				if addr.Network() == "tcp" {
					for _, fd := range l.Descriptors {
						_ = prepareListening(fd, notsentLowat) // they have the options of the other process
						takeAgain(fd)
					}
				}
				return sockets{fds: l.Descriptors, addr: addr, release: in.releaseOf(config), inherited: in}, true
			}
		}
	}
	return sockets{}, false
}

// boundAddress returns the address of listening sockets, or nil if one of them is something else.
func boundAddress(fds []int) (addr net.Addr) {
	for _, fd := range fds {
		if checkListening(fd) != nil {
			return nil
		}
		bound, err := unix.Getsockname(fd)
		if err != nil {
			return nil
		}
		switch bound := bound.(type) {
		case *unix.SockaddrInet4:
			addr = &net.TCPAddr{IP: slices.Clone(bound.Addr[:]), Port: bound.Port}
		case *unix.SockaddrInet6:
			addr = &net.TCPAddr{IP: slices.Clone(bound.Addr[:]), Port: bound.Port, Zone: zoneName(bound.ZoneId)}
		case *unix.SockaddrUnix:
			addr = &net.UnixAddr{Name: bound.Name, Net: "unix"}
		default:
			return nil
		}
	}
	return addr
}

// zoneName returns the name of the network interface with that index.
func zoneName(index uint32) string {
	if index == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return ""
}

// releaseOf returns what removes the file of an inherited unix socket.
func (in *Inheritance) releaseOf(config *ListenerConfig) func() {
	if config.Network != "unix" || strings.HasPrefix(config.Address, "@") {
		return nil
	}
	path, err := filepath.Abs(config.Address)
	if err != nil {
		return nil
	}
	ours, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	return func() {
		if in.owned.Load() {
			removeSocket(path, ours)
		}
	}
}

// split returns s in parts of at most so many sockets. The file is released with the first.
func (s sockets) split(loops int) []sockets {
	parts := []sockets{s}
	for last := &parts[0]; len(last.fds) > loops; last = &parts[len(parts)-1] {
		rest := sockets{fds: last.fds[loops:], addr: s.addr, inherited: s.inherited}
		last.fds = slices.Clip(last.fds[:loops])
		parts = append(parts, rest)
	}
	return parts
}
