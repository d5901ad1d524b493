//go:build linux

package enginetest

import (
	"os"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// LeaveDescriptors lowers the process's limit so that so many descriptors are free, until restore. Each descriptor that is
// closed meanwhile frees another.
func LeaveDescriptors(t testing.TB, free int) (restore func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	filler, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	fillers := []int{filler}
	// The limit concerns the number of a descriptor: there must be no gap below the highest.
	limit := highestDescriptor(t) + 1
	for {
		fd, err := unix.FcntlInt(uintptr(filler), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if fd >= limit {
			_ = unix.Close(fd)
			break
		}
		fillers = append(fillers, fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(limit + free), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
		for _, fd := range fillers {
			_ = unix.Close(fd)
		}
	})
}

// highestDescriptor returns the highest number of an open descriptor.
func highestDescriptor(t testing.TB) (highest int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil {
			highest = max(highest, fd)
		}
	}
	return highest
}

// FillDescriptors opens descriptors until all numbers below limit are in use.
func FillDescriptors(t testing.TB, limit int) {
	t.Helper()
	for {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		if fd >= limit {
			return
		}
	}
}
