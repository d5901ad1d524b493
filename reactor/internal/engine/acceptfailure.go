//go:build linux

package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"golang.org/x/sys/unix"
)

// acceptFormat is the format of the line that gnet logs, on the loop, when accept has failed.
const acceptFormat = "Accept() failed due to error: %v"

// gnet logs a failed accept and returns ErrAcceptSocket to its poller, which ends the engine if errors.Is reports that
// the error is ErrAcceptSocket. acceptError takes the place of that variable's value: its method Is does not report so
// after a failure that an engine of this package survives. Engines that the program runs with gnet itself end as before.
func init() {
	gneterrors.ErrAcceptSocket = acceptError{error: gneterrors.ErrAcceptSocket}
}

type acceptError struct {
	error
	_ [0]func() // not comparable: errors.Is would not call the method Is for an equal error
}

// survived is the number of accepts that have failed and that gnet's pollers are about to look at.
var survived atomic.Int64

// Is reports whether target is acceptError too, except once for each survived accept.
func (acceptError) Is(target error) bool {
	if _, ok := target.(acceptError); !ok {
		return false
	}
	for n := survived.Load(); n > 0; n = survived.Load() {
		if survived.CompareAndSwap(n, n-1) {
			return false
		}
	}
	return true
}

// Scarce reports whether err is a shortage of descriptors or memory, which may pass.
func Scarce(err error) bool {
	for _, shortage := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC} {
		if errors.Is(err, shortage) {
			return true
		}
	}
	return false
}

// survives reports whether an engine goes on after accept has failed with err: after a shortage, and after an error of
// the accepted connection (accept(2), "Error handling").
func survives(err error) bool {
	if Scarce(err) {
		return true
	}
	for _, network := range []error{unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET,
		unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.EPERM, unix.ETIMEDOUT} {
		if errors.Is(err, network) {
			return true
		}
	}
	return false
}

// acceptFailed handles a failed accept, and reports whether the engine goes on. After a shortage it closes the
// descriptors of bursts, and does not poll the doorbell before the next attempt. On the loop, outside of callbacks.
func (e *gnetEngine) acceptFailed(err error) bool {
	if !e.connected || !survives(err) {
		return false
	}
	if !e.silence(Scarce(err)) {
		return false
	}
	survived.Add(1)
	if Scarce(err) {
		e.starved = true
		e.ringLater()
		e.handler.AcceptFailed(err)
	}
	return true
}

// silence closes the descriptors of bursts and stops polling the doorbell, if short. It reports false if the engine ends.
// On the loop.
func (e *gnetEngine) silence(short bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone || len(e.sources) == 0 {
		return false
	}
	if !short {
		return true
	}
	for i := range e.sources {
		e.sources[i].withdraw(e.epoll)
	}
	e.planned = 0
	_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_DEL, e.sources[len(e.sources)-1].fd, nil)
	e.silent = true
	return true
}

// listenAtDoorbell has the doorbell polled again after silence.
func (e *gnetEngine) listenAtDoorbell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.silent || e.gone || len(e.sources) == 0 {
		return
	}
	e.silent = false
	fd := e.sources[len(e.sources)-1].fd
	_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: readEvents})
}

// ringLater has ringAgain run after ringPause.
func (e *gnetEngine) ringLater() {
	if !e.ringing {
		e.ringing = true
		time.AfterFunc(ringPause, func() { e.execute(ringAgain{e}) })
	}
}

// ringAgain is what gnet runs on the loop for another attempt to adopt, after a shortage of descriptors.
type ringAgain struct{ engine *gnetEngine }

func (r ringAgain) Run(context.Context) error {
	e := r.engine
	e.ringing = false
	e.listenAtDoorbell()
	starved := e.starved
	e.ring()
	if !starved || !e.starved {
		return nil
	}
	e.calls++
	if a, _ := e.nextArrival(); a != nil {
		e.handler.Rejected(a, syscall.EMFILE)
	}
	return nil
}

// room reports whether n descriptors can be opened: a nil error, or why not.
func room(n int) (err error) {
	var opened []int
	defer func() {
		for _, fd := range opened {
			_ = unix.Close(fd)
		}
	}()
	for range n {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		opened = append(opened, fd)
	}
	return nil
}
