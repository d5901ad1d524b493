//go:build linux

package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

// writability watches the sockets of one Loop whose peers are slow, in an epoll set of our own:
// gnet has no event for a socket that takes output again. Each report comes once. A goroutine,
// parked by the runtime's own poller, brings them to the loop.
type writability struct {
	table *table
	set   *os.File
	epoll int
	done  chan struct{}
}

// writabilityBatch is how many reports are fetched by one system call.
const writabilityBatch = 128

func newWritability(t *table) (*writability, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Only a non-blocking descriptor is given to the runtime's poller.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &writability{table: t, set: os.NewFile(uintptr(fd), "epoll"), epoll: fd, done: make(chan struct{})}
	go w.run()
	return w, nil
}

func (w *writability) run() {
	defer close(w.done)
	raw, err := w.set.SyscallConn()
	if err != nil {
		return
	}
	var events [writabilityBatch]unix.EpollEvent
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, event := range events[:n] {
			h := Handle{w.table, uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<tableIndexBits}
			if event.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
				h.Post((*Conn).peerReset)
			} else {
				h.Post((*Conn).writeBacklog)
			}
		}
	}
}

// arm has the next of the events reported, and a reset in any case.
func (w *writability) arm(c *Conn, events uint32) error {
	op := unix.EPOLL_CTL_MOD
	if c.watching == watchNone {
		op = unix.EPOLL_CTL_ADD
	}
	// The number of the connection, generation included: a late report finds nobody.
	event := unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(uint32(c.id)), Pad: int32(c.id >> tableIndexBits)}
	if err := unix.EpollCtl(w.epoll, op, int(c.fd), &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	if c.watching = watchIdle; events != 0 {
		c.watching = watchPending
	}
	return nil
}

// forget takes c's present descriptor out of the set, before another takes its place.
func (w *writability) forget(c *Conn) {
	if c.watching != watchNone {
		_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
		c.watching = watchNone
	}
}

func (w *writability) close() {
	_ = w.set.Close()
	<-w.done
}
