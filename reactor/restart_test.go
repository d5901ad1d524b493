//go:build linux

package reactor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// An engine that is replaced while descriptors are short, at whatever point of its start the last
// one is gone, is started in the end, and has neither lost who was there nor who came meanwhile.
func TestEngineStartsWithoutDescriptors(t *testing.T) {
	s := serve(t, Config{Loops: 1, Logger: quiet(), shortagePatience: time.Hour}, nil)
	l := s.loops[0]
	for free := range 14 {
		stays := s.dial()
		stays.say("echo before")
		stays.want("before")
		var comes []int
		for range 3 {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			patience := unix.NsecToTimeval(patience.Nanoseconds())
			if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
				t.Fatal(err)
			}
			comes = append(comes, fd)
		}
		address := s.sockaddr()

		restore := enginetest.LeaveDescriptors(t, free)
		old := l.engine.Load()
		l.Post(l.replaceEngine)
		await(t, old.Done())
		for _, fd := range comes {
			if err := unix.Connect(fd, address); err != nil {
				restore()
				t.Fatal(err)
			}
			_, _ = unix.Write(fd, []byte("echo came\n"))
		}
		stays.say("echo stayed")
		eventually(t, "an engine was tried", func() bool { return l.engine.Load() != old })
		restore()

		stays.want("stayed")
		_ = stays.Close()
		for i, fd := range comes {
			var have [8]byte
			if n, err := unix.Read(fd, have[:]); string(have[:max(n, 0)]) != "came\n" {
				t.Errorf("%d free descriptors: newcomer %d has %q, %v", free, i, have[:max(n, 0)], err)
			}
			_ = unix.Close(fd)
		}
	}
}

// sockaddr is the server's address for system calls.
func (s *server) sockaddr() unix.Sockaddr {
	s.t.Helper()
	bound, err := unix.Getsockname(s.listeners[0].sockets.fd(0))
	if err != nil {
		s.t.Fatal(err)
	}
	return bound
}
