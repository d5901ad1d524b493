//go:build linux

package engine

import (
	"context"
	"os"
	"time"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// burstLimit is how many connections one look at the epoll set can bring from one listening socket, besides the first.
const burstLimit = 64

// burstTime is the time after which the descriptors of a burst are closed.
const burstTime = 100 * time.Millisecond

// source is a listening socket in gnet's hands.
//
// gnet accepts one connection for each event. While the loop is busy that is one in each round, and newcomers wait for
// as many rounds as there are others before them. So when the queue is found long, duplicates of the descriptor enter
// the epoll set for one event each, with the number of the original in it: that brings one more accept.
//
// Each planned accept costs an epoll_ctl, and an accept of an empty queue several times as much. So there is one plan at
// a time: the queue is looked at again when the accepts of the last plan have taken place.
type source struct {
	fd         int
	duplicates []int
	planned    int // accepts that the plan has still to bring, the one of the original included; 0: no plan
}

func (e *gnetEngine) Listen(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epoll < 0 || e.gone || e.listening == on {
		return
	}
	e.listening = on
	for i := range e.sources[:min(len(e.sources), len(e.config.Listeners))] {
		s := &e.sources[i]
		if !on {
			s.withdraw(e.epoll)
			_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_DEL, s.fd, nil)
			continue
		}
		event := unix.EpollEvent{Fd: int32(s.fd), Events: readEvents}
		if e.config.Listeners[i].Shared {
			event.Events = unix.EPOLLIN | unix.EPOLLEXCLUSIVE
		}
		if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
			e.config.Logger.Error("cannot watch a listening socket", zap.Error(err))
		}
	}
}

// CloseListeners puts something inert over gnet's descriptors, since gnet will close the numbers. It is a listening
// socket that nobody connects to: an event that gnet has already fetched leads to an accept, whose failure would end
// the engine.
func (e *gnetEngine) CloseListeners() {
	e.Listen(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.served || e.gone || len(e.sources) <= 1 {
		return // gnet's descriptors do not refer to listening sockets of ours, or are closed
	}
	last := len(e.sources) - 1
	for i := range e.sources[:last] {
		_ = unix.Dup3(e.inert, e.sources[i].fd, unix.O_CLOEXEC)
	}
	e.sources = e.sources[last:]
}

// accepted handles a connection that gnet has accepted from a listening socket.
func (e *gnetEngine) accepted(g gnet.Conn, listener int) gnet.Action {
	// Callbacks since the last accept mean that newcomers wait for others.
	busy := e.calls-e.lastAccept > 1
	e.lastAccept = e.calls
	owner := e.handler.Accepted(g, g.Fd(), listener)
	if owner != nil {
		g.SetContext(owner)
	}
	if busy || e.bursts {
		e.burst(listener, busy)
	}
	if owner == nil {
		return gnet.Close
	}
	return gnet.None
}

// burst has as many further connections accepted in the next round as wait, within the room that there is. Without
// more it only sees that there still is room for those that were planned before.
func (e *gnetEngine) burst(listener int, more bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.listening || listener >= len(e.sources) {
		return
	}
	s, room := &e.sources[listener], e.config.Room()
	if s.planned > 0 {
		s.planned--
		more = s.planned == 0
	}
	if len(s.duplicates) > room {
		s.withdraw(e.epoll)
	}
	if !more || s.planned > 0 {
		return
	}
	waiting, exact := acceptQueue(s.fd)
	if exact && !e.config.Listeners[listener].Shared {
		// The event of the original brings one of them. An accept that finds the queue empty, because a standIn or the
		// other process of a handover has taken connections, or that fails, does not reduce planned: the next look at
		// the queue is then up to burstTime late.
		if n := e.extend(s, min(waiting-1, burstLimit, room)); n > 0 {
			s.planned = n + 1
		}
		return
	}
	e.extend(s, min(waiting, burstLimit, room))
}

// acceptQueue returns the number of connections that wait at a listening socket. exact is false for a unix socket: n is
// then burstLimit if any connection waits.
func acceptQueue(fd int) (n int, exact bool) {
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		return int(info.Unacked), true
	}
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); n > 0 {
		return burstLimit, false
	}
	return 0, false
}

// extend has up to n more accepts take place in the next round, and returns their number; the caller holds mu. There are
// none when descriptors are short: the first accept needs one.
func (e *gnetEngine) extend(s *source, n int) (planned int) {
	event := unix.EpollEvent{Fd: int32(s.fd), Events: unix.EPOLLIN | unix.EPOLLONESHOT}
	before := len(s.duplicates)
	for i := range n {
		if i < len(s.duplicates) {
			_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_MOD, s.duplicates[i], &event)
			planned++
			continue
		}
		fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			s.withdraw(e.epoll)
			return 0
		}
		if unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, fd, &event) != nil {
			_ = unix.Close(fd)
			break
		}
		s.duplicates = append(s.duplicates, fd)
		planned++
	}
	if len(s.duplicates) > before && room(1) != nil {
		s.withdraw(e.epoll)
		return 0
	}
	if len(s.duplicates) > 0 && !e.bursts {
		e.bursts = true
		time.AfterFunc(burstTime, func() { e.execute(burstOver{e}) })
	}
	return planned
}

// withdraw ends what extend began.
func (s *source) withdraw(epoll int) {
	for _, fd := range s.duplicates {
		_ = unix.EpollCtl(epoll, unix.EPOLL_CTL_DEL, fd, nil)
		_ = unix.Close(fd)
	}
	s.duplicates, s.planned = nil, 0
}

// burstOver is what gnet runs on the loop after a burst.
type burstOver struct{ engine *gnetEngine }

func (b burstOver) Run(context.Context) error {
	e := b.engine
	e.bursts, e.planned = false, 0
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.sources {
		e.sources[i].withdraw(e.epoll)
	}
	return nil
}

// openDoorbell opens a listening unix socket with an address that the kernel chooses.
func openDoorbell() (fd int, address string, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, "", os.NewSyscallError("socket", err)
	}
	// An empty name asks for an abstract one, see unix(7), autobind.
	if err = unix.Bind(fd, &unix.SockaddrUnix{}); err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	bound, err2 := unix.Getsockname(fd)
	if err == nil {
		err = err2
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, "", os.NewSyscallError("listen on a unix socket", err)
	}
	return fd, bound.(*unix.SockaddrUnix).Name, nil
}

// ringDoorbell leaves a connection in the doorbell's queue.
func ringDoorbell(address string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("connect", unix.Connect(fd, &unix.SockaddrUnix{Name: address}))
}
