package files

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// A machine asks whether content is over by a read of nothing, after any part of it.
func TestReadsOfNothingTellTheEnd(t *testing.T) {
	want := make([]byte, 3*fileChunk+1)
	_, _ = rand.NewChaCha8([32]byte{}).Read(want)
	for _, size := range []int{1000, directRead - 1, directRead, len(want)} {
		memory := bytes.NewReader(want)
		content := &fileContent{from: memory}
		content.add("", span{length: int64(len(want))})
		s := &fileReader{content: content, r: new(app.Request), ahead: memory}
		var got []byte
		for len(got) < len(want) {
			if n, err := s.read(nil); n != 0 || err != nil {
				t.Fatalf("reads of %d: after %d of %d bytes a read of nothing returns %d, %v", size, len(got), len(want), n, err)
			}
			p := make([]byte, size)
			n, err := s.read(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p[:n]...)
		}
		if n, err := s.read(nil); n != 0 || err != io.EOF {
			t.Errorf("at the end a read of nothing returns %d, %v", n, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("reads of %d: the content differs", size)
		}
	}
}
