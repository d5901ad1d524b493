//go:build linux

package reactor

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// turnAwayBatch is how many connections are turned away at a time.
	turnAwayBatch = 128
	// turnAwayTime is how long peers that are turned away get, all together, to read and to close. Sooner or later a
	// close with input that was not read resets the connection, and what was said may be lost.
	turnAwayTime = 500 * time.Millisecond
	// turnAwayTimeCut is the same when there is no time left.
	turnAwayTimeCut = 50 * time.Millisecond
)

// turnAway sends the words of Config.TurnAway on a connection that no Loop has taken, and ends its output. It reports
// whether the peer may still be reading. Nothing is waited for. On any goroutine.
func (r *Reactor) turnAway(fd int, ln *listener) bool {
	if r.config.TurnAway == nil {
		return false
	}
	var input [4 << 10]byte
	n, err := unix.Read(fd, input[:])
	if n == 0 && err == nil {
		return false
	}
	words := r.config.TurnAway(&ln.config, input[:max(n, 0)])
	if _, err := unix.Write(fd, words); err != nil {
		return false
	}
	return unix.Shutdown(fd, unix.SHUT_WR) == nil && !drop(fd)
}

// drop reads what has arrived and reports whether the peer has closed.
func drop(fd int) (closed bool) {
	var input [4 << 10]byte
	for range 64 { // a peer that goes on sending does not keep the others waiting
		n, err := unix.Read(fd, input[:])
		if n <= 0 {
			return err != unix.EAGAIN && err != unix.EINTR
		}
	}
	return false
}

// turningAway turns connections away, and lets their peers read why before it closes them.
type turningAway struct {
	reactor *Reactor
	open    []unix.PollFd
	left    time.Duration // of turnAwayTime
	told    int
}

func newTurningAway(r *Reactor, ctx context.Context) turningAway {
	f := turningAway{reactor: r, left: turnAwayTime}
	if ctx.Err() != nil {
		f.left = turnAwayTimeCut
	}
	return f
}

// tell turns the connection fd of ln away.
func (f *turningAway) tell(fd int, ln *listener) {
	f.told++
	if !f.reactor.turnAway(fd, ln) {
		_ = unix.Close(fd)
		return
	}
	f.open = append(f.open, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	if len(f.open) >= turnAwayBatch {
		f.settle()
	}
}

// end closes all connections and returns how many there were.
func (f *turningAway) end() int {
	f.settle()
	return f.told
}

// settle closes connections as their peers close them, and the others when the time is over.
func (f *turningAway) settle() {
	for begun := time.Now(); len(f.open) > 0 && f.left > 0; {
		_, err := unix.Poll(f.open, int(max(f.left, time.Millisecond).Milliseconds()))
		if err != nil && err != unix.EINTR {
			break
		}
		f.forgetClosed()
		now := time.Now()
		f.left -= now.Sub(begun)
		begun = now
	}
	for _, p := range f.open {
		_ = unix.Close(int(p.Fd))
	}
	f.open = f.open[:0]
}

// forgetClosed closes the connections whose peers have closed.
func (f *turningAway) forgetClosed() {
	kept := f.open[:0]
	for _, p := range f.open {
		if p.Revents != 0 && drop(int(p.Fd)) {
			_ = unix.Close(int(p.Fd))
			continue
		}
		kept = append(kept, p)
	}
	f.open = kept
}
