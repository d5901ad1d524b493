package h2

import (
	"testing"
	"time"
)

// TestManyUploadsStayWithinBounds: on a hundred streams of twenty connections content arrives from afar until the windows
// have grown, and then no application reads. What has arrived and what may still come is bounded by the buffers
// of the connections and by the memory that the loop has for growth.
func TestManyUploadsStayWithinBounds(t *testing.T) {
	const connections, memory, buffer = 20, 8 << 20, 2 << 20
	p := connect(t, Config{WindowMemory: memory, ConnectionBuffer: buffer})
	var all []*uplink
	for range connections {
		all = append(all, newUplink(p.another(), 20, 5_000, 1, 3, 5, 7, 9))
	}
	step := func(d time.Duration) {
		for range d / time.Millisecond {
			for _, u := range all {
				u.now = all[0].now // one clock
				u.step()
			}
			if p.sh.grown > memory {
				t.Fatalf("%d bytes are reserved", p.sh.grown)
			}
		}
	}
	step(300 * time.Millisecond)
	if p.sh.grown == 0 {
		t.Error("no window has grown")
	}
	for _, u := range all {
		u.read = func(StreamID, int) int { return 0 }
	}
	step(300 * time.Millisecond)
	held := 0
	for _, u := range all {
		for _, n := range u.unread {
			held += n
		}
		held += int(u.c.recvWindow)
	}
	if most := connections*buffer + memory; held > most {
		t.Errorf("%d bytes have arrived or may come, want at most %d", held, most)
	}
}
