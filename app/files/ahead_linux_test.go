package files

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// residency returns for each page of a file whether it is in memory, by mincore(2), which
// tells the owner of the file.
func residency(t *testing.T, file *os.File, size int) []byte {
	t.Helper()
	mapped, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	page := os.Getpagesize()
	pages := make([]byte, (size+page-1)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mapped))), uintptr(size),
		uintptr(unsafe.Pointer(unsafe.SliceData(pages))))
	if errno != 0 {
		t.Fatal(errno)
	}
	return pages
}

// What is in memory ends at the first page that is not, and at the end of the file.
func TestWhatOfAFileIsInMemory(t *testing.T) {
	const size = 1<<20 + 100
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a := &ahead{fd: int(file.Fd())}
	if _, err := a.ReadAt(make([]byte, 1), 0); err != nil {
		t.Logf("the file system of %s cannot tell: %v", path, err)
		return
	}
	compare := func() {
		t.Helper()
		page := os.Getpagesize()
		pages := residency(t, file, size)
		for _, start := range []int{0, 1, page - 1, page, 5*page + 7, 1 << 19, 1 << 20, size - 1} {
			for _, n := range []int{1, page, 3 * page, lookSize * lookVecs, lookSize*lookVecs + 1, size, size + page} {
				end := start
				for end < min(start+n, size) && pages[end/page]&1 != 0 {
					end = min((end/page+1)*page, start+n, size)
				}
				if got := a.inMemory(int64(start), n); got != end-start {
					t.Errorf("%d of %d bytes at %d are in memory, want %d", got, n, start, end-start)
				}
			}
		}
	}
	compare()
	// The kernel may keep pages that it was told nobody needs; mincore knows which.
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(file.Fd()), 1<<18, 1<<18, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	compare()
}
