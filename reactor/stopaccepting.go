//go:build linux

package reactor

import (
	"context"

	"golang.org/x/sys/unix"
)

// StopAccepting accepts the connections that wait in the listening sockets, and closes the listening sockets. It
// accepts at most as many as waited when it was called and as the limit of connections allows, and stops when ctx ends;
// the kernel resets the rest. Connections that wait in sockets after HandOver are left to the other process. Open
// connections go on. On any goroutine.
func (r *Reactor) StopAccepting(ctx context.Context) {
	r.gate.end()
	for i, l := range r.loops {
		if l.engine.Load() == nil {
			continue // never started: no loop would serve them
		}
		for _, ln := range r.listeners {
			if ln.handedOver.Load() {
				continue
			}
			if fd, err := ln.duplicate(i); err == nil {
				r.acceptWaiting(ctx, l, ln, fd)
				_ = unix.Close(fd)
			}
		}
	}
	for _, l := range r.loops {
		if e := l.engine.Load(); e != nil {
			e.CloseListeners()
		}
	}
	for _, ln := range r.listeners {
		ln.close()
	}
}

// acceptWaiting accepts for l the connections that wait in the listening socket fd of ln.
func (r *Reactor) acceptWaiting(ctx context.Context, l *Loop, ln *listener, fd int) {
	for n := waitingConnections(fd); n > 0 && ctx.Err() == nil && r.present() < r.gate.capacity(); n-- {
		if acceptFor(l, ln, fd) != nil {
			return
		}
	}
}

// waitingConnections returns the number of connections that wait in the listening socket fd; for unix sockets, whose
// number is unknown, the longest possible queue.
func waitingConnections(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return listenBacklog
	}
	return int(info.Unacked)
}

// acceptFor accepts one connection from fd, a listening socket of ln, and passes it to l. It returns the error of
// accept4. On any goroutine.
func acceptFor(l *Loop, ln *listener, fd int) error {
	accepted, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	l.stats.accepted.Add(1)
	ln.prepare(l, accepted)
	l.arrivals.add(l, &arrival{fresh: accepted, listener: ln})
	return nil
}
