//go:build linux

package reactor

import (
	"testing"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// fakeConn brings input without a socket.
type fakeConn struct {
	gnet.Conn
	in  []byte
	ctx any
	fd  int
}

func (f *fakeConn) Next(int) ([]byte, error) { return f.in, nil }
func (f *fakeConn) Context() any             { return f.ctx }
func (f *fakeConn) SetContext(ctx any)       { f.ctx = ctx }
func (f *fakeConn) Fd() int                  { return f.fd }

// newTurner gives a function that takes one turn: one request in, its answer out to /dev/null.
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
	e := newEngine(l)
	l.engine.Store(e)
	g := &fakeConn{in: helloRequest, fd: null}
	c := l.newConn(g, nil)
	c.session = &helloSession{conn: c, lend: lend}
	return func() { e.OnTraffic(g) }
}

// A turn costs one write, no allocation, and no more than some atomic operations beside.
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
