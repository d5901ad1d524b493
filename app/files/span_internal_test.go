package files

import (
	"io"
	"testing"
)

// pagesInMemory is a file of which some pages are in memory.
type pagesInMemory struct {
	size    int64
	missing map[int64]bool // pages
	none    bool           // the file system cannot tell (EOPNOTSUPP)
	looks   int
}

func (f *pagesInMemory) ReadAt(p []byte, offset int64) (n int, err error) {
	f.looks++
	for n < len(p) {
		switch at := offset + int64(n); {
		case at >= f.size:
			return n, io.EOF
		case f.none || f.missing[at/pageSize]:
			return n, errWouldWait
		}
		n++
	}
	return n, nil
}

// A span has no page that is not in memory, and none beyond the end of the file.
func TestASpanIsInMemory(t *testing.T) {
	const size = 40*pageSize + 100
	for missing := int64(-1); missing <= 40; missing++ {
		for _, start := range []int64{0, 1, pageSize - 1, pageSize, pageSize + 1, 7 * pageSize} {
			for _, end := range []int64{start + 1, 8*pageSize - 1, 8 * pageSize, 8*pageSize + 1, size, size + 3*pageSize} {
				if end <= start {
					continue
				}
				s := &fileReader{ahead: &pagesInMemory{size: size, missing: map[int64]bool{missing: true}}}
				want := min(end, size)
				if missing >= start/pageSize && missing*pageSize < end {
					want = min(want, max(missing*pageSize, start))
				}
				got := int64(s.inMemory(start, int(end-start)))
				if end > size && want == size {
					// The last page may count as a whole, or not at all.
					if last := int64(size) &^ (pageSize - 1); got >= last-start && got <= last+pageSize-start {
						continue
					}
				}
				if got != want-start {
					t.Errorf("page %d missing: %d of %d to %d are in memory, want %d", missing, got, start, end, want-start)
				}
			}
		}
	}
}

// Where the file system cannot tell, one look is enough.
func TestNoSpansWhereTheFileSystemCannotTell(t *testing.T) {
	file := &pagesInMemory{size: 1 << 20, none: true}
	s := &fileReader{ahead: file, content: &fileContent{}}
	s.content.add("", span{0, 1 << 20})
	if _, _, n := s.Span(128 << 10); n != 0 || file.looks != 1 {
		t.Errorf("a span of %d bytes after %d looks", n, file.looks)
	}
}
