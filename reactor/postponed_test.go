//go:build linux

package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// joiner adds a letter to the output of another connection for each read.
type joiner struct{ to *gathering }

func (s *joiner) Receive(in []byte) int {
	s.to.out = append(s.to.out, in...)
	s.to.conn.TouchAfterPoll()
	return len(in)
}

func (s *joiner) Transmit(dst []byte, _ int) []byte { return dst }
func (s *joiner) EOF() bool                         { return false }
func (s *joiner) Timeout()                          {}
func (s *joiner) Closed(error)                      {}

// gathering is a session whose output others cause.
type gathering struct {
	conn *Conn
	out  []byte
}

func (s *gathering) Receive(in []byte) int { return len(in) }

func (s *gathering) Transmit(dst []byte, _ int) []byte {
	dst = append(dst, s.out...)
	s.out = s.out[:0]
	return dst
}

func (s *gathering) EOF() bool    { return false }
func (s *gathering) Timeout()     {}
func (s *gathering) Closed(error) {}

// gatherer returns a loop whose turns the test takes, a connection whose input goes to another one, and a function that
// returns what each write of that one has brought since the last call.
func gatherer(t *testing.T) (e *loopEngine, from *Conn, to *Conn, writes func() []string) {
	t.Helper()
	r, err := New(Config{Loops: 1, StallWarn: -1, StallTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.release)
	// A socket of datagrams keeps what each write has brought.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(pair[0])
		_ = unix.Close(pair[1])
	})
	l := r.loops[0]
	e = unturned(l)
	to = l.newConn(nil, pair[0], nil)
	s := &gathering{conn: to}
	to.session = s
	from = l.newConn(nil, -1, nil)
	from.session = &joiner{s}
	return e, from, to, func() (list []string) {
		buf := make([]byte, 1024)
		for {
			n, err := unix.Read(pair[1], buf)
			if err != nil {
				return list
			}
			list = append(list, string(buf[:n]))
		}
	}
}

func TestPostponedOutputLeavesInOneWrite(t *testing.T) {
	e, from, to, writes := gatherer(t)
	for _, text := range []string{"a", "b", "c"} {
		e.Input(from, []byte(text))
	}
	if got := writes(); got != nil {
		t.Errorf("%q was written before the wake", got)
	}
	e.Woken()
	if got := writes(); len(got) != 1 || got[0] != "abc" {
		t.Errorf("written: %q, want %q", got, []string{"abc"})
	}
	// Input of its own joins what waits.
	e.Input(from, []byte("d"))
	e.Input(to, []byte("x"))
	e.Woken()
	if got := writes(); len(got) != 1 || got[0] != "d" {
		t.Errorf("written: %q, want %q", got, []string{"d"})
	}
}

func TestNothingIsPostponedWhileThatSavesNoWrite(t *testing.T) {
	e, from, _, writes := gatherer(t)
	for range lossesAllowed {
		e.Input(from, []byte("a"))
		e.Woken()
	}
	writes()
	for range pauseCalls {
		e.Input(from, []byte("a"))
		if got := writes(); len(got) != 1 {
			t.Fatalf("written: %q, want one write in the same turn", got)
		}
	}
	// Then it is tried again.
	e.Input(from, []byte("a"))
	e.Input(from, []byte("b"))
	if got := writes(); got != nil {
		t.Errorf("%q was written before the wake", got)
	}
	e.Woken()
	if got := writes(); len(got) != 1 || got[0] != "ab" {
		t.Errorf("written: %q, want %q", got, []string{"ab"})
	}
	e.Input(from, []byte("c"))
	if got := writes(); got != nil {
		t.Errorf("%q was written before the wake although the last one has saved a write", got)
	}
}

func TestClosedConnectionIsNotPostponed(t *testing.T) {
	e, from, to, writes := gatherer(t)
	e.Input(from, []byte("a"))
	e.Closed(to, unix.ECONNRESET)
	e.Woken()
	if got := writes(); got != nil {
		t.Errorf("%q was written to a closed connection", got)
	}
}
