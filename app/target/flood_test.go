package target

import (
	"runtime"
	"testing"
)

func TestFloodsOfOneSizeShareTheirMessage(t *testing.T) {
	first, err := floodMessage(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := floodMessage(1 << 20); second != first {
		t.Error("each has its own")
	}
	if len(first.Data()) != 1<<20 {
		t.Errorf("it has %d bytes", len(first.Data()))
	}
	runtime.KeepAlive(first)
	runtime.GC()
	last, _ := floodMessage(1)
	if n := len(floods.messages); n != 1 {
		t.Errorf("%d sizes are kept, want 1", n)
	}
	runtime.KeepAlive(last)
}
