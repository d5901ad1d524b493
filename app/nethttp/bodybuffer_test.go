package nethttp

import "testing"

// Content of unknown length is often a small message. Its buffer is small until that was full.
func TestBufferOfContentGrowsOnceItWasFull(t *testing.T) {
	const unknown = -1
	for _, c := range []struct {
		length      int64
		first, full int // sizes in bytes: at first, and once the first was full
	}{
		{unknown, smallContent, largeContent},
		{1, smallContent, smallContent},
		{smallContent, smallContent, smallContent},
		{smallContent + 1, largeContent, largeContent},
		{10 * largeContent, largeContent, largeContent},
	} {
		var b body
		if b.space(c.length); cap(b.buf) != c.first {
			t.Errorf("length %d: a buffer of %d bytes", c.length, cap(b.buf))
		}
		b.buf = b.buf[:cap(b.buf)]
		copy(b.buf, "ab")
		b.off = 1
		room := b.space(c.length)
		if cap(b.buf) != c.full || len(room) != c.full-b.off-b.left() || b.left() != c.first-1 || b.buf[b.off] != 'b' {
			t.Errorf("length %d: a full buffer became one of %d bytes, with %d of content", c.length, cap(b.buf), b.left())
		}
		b.close()
	}
}
