//go:build linux

package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// newTurner returns a function that takes one turn: one request in, its answer out to /dev/null.
func newTurner(tb testing.TB, lend bool) func() {
	r, err := New(Config{Loops: 1, StallWarn: -1, StallTimeout: -1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.release)
	null, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Close(null) })
	l := r.loops[0]
	e := unturned(l)
	c := l.newConn(nil, null, nil)
	c.session = &helloSession{conn: c, lend: lend}
	return func() { e.Input(c, helloRequest) }
}

// A turn costs one write, no allocation, and some atomic operations.
func BenchmarkTurn(b *testing.B) {
	for name, lend := range map[string]bool{"owned": false, "lent": true} {
		b.Run(name, func(b *testing.B) {
			turn := newTurner(b, lend)
			b.ReportAllocs()
			for b.Loop() {
				turn()
			}
		})
	}
	b.Run("write alone", func(b *testing.B) {
		null, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		defer unix.Close(null)
		for b.Loop() {
			_, _ = unix.Write(null, helloAnswer)
		}
	})
}

func TestTurnAllocatesNothing(t *testing.T) {
	turn := newTurner(t, true)
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
}
