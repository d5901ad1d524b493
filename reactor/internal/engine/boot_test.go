//go:build linux

package engine

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// The search for a descriptor ends where the process's table does, and not at the limit of descriptors, which may be a
// billion.
func TestDescriptorSearchIsBounded(t *testing.T) {
	size, err := descriptorTable()
	if err != nil {
		t.Fatal(err)
	}
	tried := map[int]int{}
	if _, err := nearestDescriptor(2, func(fd int) bool { tried[fd]++; return false }); !errors.Is(err, errNoDescriptor) {
		t.Errorf("found one: %v", err)
	}
	if len(tried) != size-1 {
		t.Errorf("%d numbers were tried, the table has %d", len(tried), size)
	}
	for fd, n := range tried {
		if n > 1 || fd < 0 || fd >= size {
			t.Errorf("%d was tried %d times", fd, n)
		}
	}
	high := size - 1
	if err := unix.Dup3(0, high, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(high)
	if fd, err := nearestDescriptor(2, func(fd int) bool { return fd == high }); fd != high || err != nil {
		t.Errorf("found %d, %v, want %d", fd, err, high)
	}
}
