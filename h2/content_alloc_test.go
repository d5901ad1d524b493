//go:build !poison

package h2

import (
	"io"
	"testing"
)

// endless is a Source without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Content is not allocated (except for the copies of the build tag poison).
func TestContentAllocatesNothing(t *testing.T) {
	x := newExchange(t, Config{})
	grow := settingsFrame(setting{settingInitialWindowSize, 1 << 30}) + windowFrame(0, 1<<30)
	x.c.Next([]byte(grow), &x.ev)
	putFrameHeader(x.in, frameHeader{uint32(len(x.in) - frameHeaderLen), frameHeaders, flagEndHeaders, x.next})
	x.c.Next(x.in, &x.ev)
	x.c.Respond(x.next, &Response{Status: 200, Source: endless{}, Length: -1})
	data := []byte(dataFrame(x.next, 0, kib(16)))
	x.out = make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := x.c.Next(data, &x.ev); err != nil || x.ev.Kind != Data {
			t.Fatal(err)
		}
		x.c.Consumed(x.next, len(x.ev.Data))
		if x.out = x.c.Transmit(x.out[:0], 64<<10); len(x.out) < 64<<10 {
			t.Fatal(io.ErrUnexpectedEOF)
		}
	}); n > 0 {
		t.Errorf("%v allocations for frames of content", n)
	}
}
