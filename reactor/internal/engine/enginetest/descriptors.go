//go:build linux

package enginetest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// LeaveDescriptors lowers the process's limit so that so many descriptors are free, until restore.
func LeaveDescriptors(t testing.TB, free int) (restore func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	lowest := 0
	for ; ; lowest++ {
		if _, err := unix.FcntlInt(uintptr(lowest), unix.F_GETFD, 0); err != nil {
			if free == 0 {
				break
			}
			free--
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
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
