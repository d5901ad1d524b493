//go:build linux

package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

// writability reports when sockets of one Loop take output again, since engines report input only. It is an epoll set
// in which each socket reports once, and a goroutine, parked by the runtime's poller, that posts the reports to the
// loop.
type writability struct {
	table *table
	set   *os.File
	epoll int
	done  chan struct{}
}

// writabilityBatch is how many reports one system call fetches at most.
const writabilityBatch = 128

func newWritability(t *table) (*writability, error) {
	set, fd, err := newPolledSet()
	if err != nil {
		return nil, err
	}
	w := &writability{table: t, set: set, epoll: fd, done: make(chan struct{})}
	go w.run()
	return w, nil
}

// newPolledSet returns an epoll set that goroutines can wait for by the runtime's poller (SyscallConn), and its
// descriptor. A system call that blocks would keep a processor from the loops until the runtime takes it back, up to
// 20 ms later.
func newPolledSet() (set *os.File, fd int, err error) {
	if fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, -1, os.NewSyscallError("epoll_create1", err)
	}
	// The runtime's poller takes non-blocking descriptors only.
	if err = unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, -1, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "epoll"), fd, nil
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

// arm has the next of events reported once. A reset is reported in any case.
func (w *writability) arm(c *Conn, events uint32) error {
	op := unix.EPOLL_CTL_MOD
	if c.watching == watchNone {
		op = unix.EPOLL_CTL_ADD
	}
	// The number has a generation, so that a late report finds no other connection.
	event := unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(uint32(c.id)), Pad: int32(c.id >> tableIndexBits)}
	if err := unix.EpollCtl(w.epoll, op, int(c.fd), &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	if c.watching = watchIdle; events != 0 {
		c.watching = watchPending
	}
	return nil
}

// forget removes the present descriptor of c from the set. It is to be called before c gets another.
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
