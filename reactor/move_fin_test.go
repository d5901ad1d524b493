//go:build linux

package reactor

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A FIN that comes between a connection's last move to an engine and the end of its departure is told
// to the session that the move ends with.
func TestFINBeforeArrival(t *testing.T) {
	r, err := New(Config{Loops: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.release)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	l := r.loops[0]
	l.engine.Store(newEngine(l))
	c := l.newConn(&fakeConn{fd: pair[0]}, nil)
	told, done := false, false
	c.session = &lines{conn: c, eof: func(*Conn) { told = true }}
	c.rarely().departure = &departure{to: l, left: true, done: func(err error) {
		if err != nil || told {
			t.Errorf("moved: %v, FIN told before: %v", err, told)
		}
		done = true
	}}
	l.begin()
	l.lost(c, os.NewSyscallError("read", io.EOF))
	l.guarded(c, (*Conn).arrived)
	l.end()
	if !done || !told || !c.closed {
		t.Errorf("moved: %v, FIN told: %v, closed: %v", done, told, c.closed)
	}
}
