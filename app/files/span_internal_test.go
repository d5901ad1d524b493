package files

import "testing"

// unknown is a file of which nobody can tell what is in memory.
type unknown struct{ looks int }

func (f *unknown) inMemory(int64, int) int {
	f.looks++
	return 0
}

// Where the file system cannot tell, one look is enough.
func TestNoSpansWhereTheFileSystemCannotTell(t *testing.T) {
	file := &unknown{}
	s := &fileReader{looker: file, content: &fileContent{}}
	s.content.add("", span{0, 1 << 20})
	if _, _, n := s.Span(128 << 10); n != 0 || file.looks != 1 {
		t.Errorf("a span of %d bytes after %d looks", n, file.looks)
	}
}
