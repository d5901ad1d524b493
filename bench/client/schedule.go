package client

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// schedule wakes connections in turn, one at each interval. It reads a timer of the kernel: the timers of Go's runtime
// are late by up to a millisecond where it waits for the network, and a load would send what is due as a burst.
type schedule struct {
	begun    time.Time
	interval time.Duration // between two requests; 0: there is no schedule
	timer    *os.File      // nil without an interval
	wake     []chan struct{}
	failure  chan error // of the goroutine that reads the timer
	stopped  atomic.Bool
}

// newSchedule starts the schedule of a load.
func (p Paced) newSchedule() (*schedule, error) {
	s := &schedule{begun: time.Now()}
	if p.Rate <= 0 {
		return s, nil
	}
	s.interval = max(time.Duration(float64(time.Second)/p.Rate), 1)
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	s.timer = os.NewFile(uintptr(fd), "timer")
	s.wake = make([]chan struct{}, p.Connections)
	for i := range s.wake {
		s.wake[i] = make(chan struct{}, 1)
	}
	every := unix.NsecToTimespec(int64(s.interval))
	s.begun = time.Now() // the timer expires when a request is due, or just after
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Value: every, Interval: every}, nil); err != nil {
		_ = s.timer.Close()
		return nil, os.NewSyscallError("timerfd_settime", err)
	}
	s.failure = make(chan error, 1)
	go s.run()
	return s, nil
}

func (s *schedule) paced() bool { return s.interval > 0 }

// due returns when request n of connection i is to be sent.
func (s *schedule) due(n, i int) time.Time {
	return s.begun.Add(s.interval * time.Duration(n*len(s.wake)+i))
}

// stop ends the schedule. No connection may wait any more.
func (s *schedule) stop() {
	if s.timer != nil {
		s.stopped.Store(true)
		_ = s.timer.Close()
	}
}

// wait returns at that time or later, with the time. Connection i alone may call it with i.
func (s *schedule) wait(i int, until time.Time) (time.Time, error) {
	for {
		now := time.Now()
		if !now.Before(until) {
			return now, nil
		}
		select {
		case <-s.wake[i]:
		case err := <-s.failure:
			s.failure <- err
			return now, err
		}
	}
}

// run wakes the connection of each expiration of the timer. A connection that has not taken the signal before finds it
// when it waits next, and looks at the time.
func (s *schedule) run() {
	count := make([]byte, 8)
	for next := 1; ; {
		if _, err := s.timer.Read(count); err != nil {
			if !s.stopped.Load() {
				s.failure <- err
			}
			return
		}
		for range binary.NativeEndian.Uint64(count) {
			select {
			case s.wake[next%len(s.wake)] <- struct{}{}:
			default:
			}
			next++
		}
	}
}
