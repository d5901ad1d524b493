package h2

import (
	"runtime"
	"testing"
	"unsafe"
)

// TestIdleConnection measures the memory of a connection after one exchange.
func TestIdleConnection(t *testing.T) {
	const n = 2000
	sh, err := NewShared(Config{})
	if err != nil {
		t.Fatal(err)
	}
	first := newPeer(t, Config{})
	sh.Tick(first.now)
	input := []byte(preface() + settingsFrame() + frame(frameSettings, flagAck, 0, "") +
		first.headers(1, flagEndStream, get("user-agent", "curl/8.0", "accept", "*/*")...))
	conns := make([]*Conn, n)
	var ev Event
	var out []byte
	exchange := func(c *Conn) {
		in := input
		for len(in) > 0 {
			used, err := c.Next(in, &ev)
			if err != nil {
				t.Fatal(err)
			}
			in = in[used:]
		}
		c.Respond(1, &hello)
		out = c.Transmit(out[:0], 1<<20)
	}
	warm := new(Conn)
	warm.Init(sh, 0)
	exchange(warm)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range conns {
		conns[i] = new(Conn)
		conns[i].Init(sh, 0)
		exchange(conns[i])
	}
	each := (heap() - before) / n
	t.Logf("%d bytes an idle connection, of which Conn is %d", each, unsafe.Sizeof(Conn{}))
	if each > 1600 {
		t.Errorf("%d bytes an idle connection", each)
	}
	runtime.KeepAlive(conns)
}
