//go:build linux

package reactor

import (
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// standInWait bounds one wait for connections, after which standIn looks whether its Loop is back.
const standInWait = 20 * time.Millisecond

// standIn accepts in the place of a stalled Loop and spreads the connections over the others, until over is closed.
// Listening sockets that all Loops share need no stand-in.
func (r *Reactor) standIn(stalled *Loop, over <-chan struct{}) {
	if len(r.loops) == 1 {
		return
	}
	newcomers, err := waitForNewcomers(r.listeners, stalled.index)
	if err != nil {
		r.log.Warn("nobody accepts in the place of a stalled loop", zap.Error(err))
		return
	}
	defer newcomers.close()
	if len(newcomers.fds) == 0 {
		return
	}
	for next := stalled.index; ; {
		select {
		case <-over:
			return
		case <-r.life.Done():
			return
		default:
		}
		if r.gate.over() {
			return // its duplicates would keep the sockets open
		}
		if r.gate.shut.Load() {
			time.Sleep(standInWait)
			continue
		}
		ready := newcomers.wait(standInWait)
		taken := 0
		for _, e := range ready {
			if r.gate.shut.Load() {
				break
			}
			l := r.nextRunning(&next)
			if l == nil || l == stalled {
				continue
			}
			if acceptFor(l, newcomers.from[e.Fd], newcomers.fds[e.Fd]) == nil {
				taken++
			}
		}
		stalled.stats.standIns.Add(int64(taken))
		if len(ready) > 0 && taken == 0 {
			// All Loops are stalled, or no descriptor is free: the next look would find the same.
			time.Sleep(standInWait)
		}
	}
}

// newcomers waits for connections at the listening sockets of one Loop, on one goroutine at a time.
type newcomers struct {
	fds    []int       // duplicates of the listening sockets
	from   []*listener // of each
	set    *os.File    // of the sockets; Fd of its events is an index
	raw    syscall.RawConn
	events []unix.EpollEvent
}

// waitForNewcomers returns newcomers of the sockets at which the Loop with this index alone accepts.
func waitForNewcomers(listeners []*listener, index int) (n *newcomers, err error) {
	set, epoll, err := newPolledSet()
	if err != nil {
		return nil, err
	}
	n = &newcomers{set: set}
	if n.raw, err = set.SyscallConn(); err != nil {
		n.close()
		return nil, err
	}
	for _, ln := range listeners {
		if ln.shared(index) {
			continue
		}
		fd, err := ln.duplicate(index)
		if err != nil {
			continue
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(n.fds))}
		if unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event) != nil {
			_ = unix.Close(fd)
			continue
		}
		n.fds, n.from = append(n.fds, fd), append(n.from, ln)
	}
	n.events = make([]unix.EpollEvent, max(1, len(n.fds)))
	return n, nil
}

// wait returns the events of the sockets that have a connection, valid until the next call; none after limit. Fd is an
// index.
func (n *newcomers) wait(limit time.Duration) []unix.EpollEvent {
	if n.set.SetReadDeadline(time.Now().Add(limit)) != nil {
		return nil
	}
	ready := 0
	_ = n.raw.Read(func(epoll uintptr) bool { // an error is the deadline's: nothing is ready
		ready, _ = unix.EpollWait(int(epoll), n.events, 0)
		return ready > 0
	})
	return n.events[:max(ready, 0)]
}

func (n *newcomers) close() {
	_ = n.set.Close()
	for _, fd := range n.fds {
		_ = unix.Close(fd)
	}
}

// nextRunning returns the next Loop that is not stalled, or nil.
func (r *Reactor) nextRunning(next *int) *Loop {
	for range r.loops {
		*next = (*next + 1) % len(r.loops)
		if l := r.loops[*next]; !l.stalled.Load() {
			return l
		}
	}
	return nil
}
