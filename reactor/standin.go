//go:build linux

package reactor

import (
	"time"

	"golang.org/x/sys/unix"
)

// standInWait bounds one wait for connections, after which standIn looks whether its Loop is back.
const standInWait = 20 * time.Millisecond

// standIn accepts in the place of a stalled Loop and spreads the connections over the others, until over is closed.
// Listening sockets that all Loops share need no stand-in.
func (r *Reactor) standIn(stalled *Loop, over <-chan struct{}) {
	var polls []unix.PollFd
	var from []*listener
	for _, ln := range r.listeners {
		if !ln.shared {
			if fd, err := ln.duplicate(stalled.index); err == nil {
				defer unix.Close(fd)
				polls = append(polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
				from = append(from, ln)
			}
		}
	}
	if len(polls) == 0 || len(r.loops) == 1 {
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
		if r.gate.shut.Load() {
			time.Sleep(standInWait)
			continue
		}
		n, _ := unix.Poll(polls, int(standInWait/time.Millisecond))
		taken := 0
		for i := 0; n > 0 && i < len(polls); i++ {
			if polls[i].Revents&unix.POLLIN == 0 || r.gate.shut.Load() {
				continue
			}
			l := r.nextRunning(&next)
			if l == nil || l == stalled {
				continue
			}
			if acceptFor(l, from[i], int(polls[i].Fd)) == nil {
				taken++
			}
		}
		stalled.stats.standIns.Add(int64(taken))
		if n > 0 && taken == 0 {
			// All Loops are stalled, or no descriptor is free: the next look would find the same.
			time.Sleep(standInWait)
		}
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
