//go:build linux

package reactor

import (
	"io"
	"net"
	"testing"
)

// waiter is a session that sends nothing, and passes on its input and its end.
type waiter struct {
	conn   *Conn
	keep   bool
	heard  chan string
	closed chan error
}

func newWaiter() *waiter { return &waiter{heard: make(chan string, 10), closed: make(chan error, 1)} }

func (s *waiter) Receive(in []byte) int {
	s.heard <- string(in)
	return len(in)
}
func (s *waiter) Transmit(dst []byte, _ int) []byte { return dst }
func (s *waiter) EOF() bool                         { s.heard <- "EOF"; return s.keep }
func (s *waiter) Timeout()                          {}
func (s *waiter) Closed(err error)                  { s.closed <- err }

// reach dials address, and returns once the session is open.
func (s *waiter) reach(t testing.TB, l *Loop, config DialConfig) {
	t.Helper()
	opened := make(chan error, 1)
	config.Open = func(c *Conn) Session { s.conn = c; opened <- nil; return s }
	config.Fail = func(err error) { opened <- err }
	l.Dial(t.Context(), config)
	if err := await(t, opened); err != nil {
		t.Fatal(err)
	}
}

// accepting listens, and returns the address and the connections that come.
func accepting(t testing.TB) (address string, accepted chan *net.TCPConn) {
	t.Helper()
	accepted = make(chan *net.TCPConn, 100)
	return peer(t, func(c net.Conn) {
		accepted <- c.(*net.TCPConn)
		<-t.Context().Done()
	}), accepted
}

// The session of an idle connection is told at once that its peer has closed it. PeekInput reports it before.
func TestIdleDialledConnection(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	address, accepted := accepting(t)
	for name, c := range map[string]struct {
		act            func(*net.TCPConn)
		waiting, ended bool
		want           string
	}{
		"bytes nobody asked for": {func(c *net.TCPConn) { _, _ = io.WriteString(c, "408") }, true, false, "408"},
		"close":                  {func(c *net.TCPConn) { _ = c.Close() }, false, true, "EOF"},
		"shut down":              {func(c *net.TCPConn) { _ = c.CloseWrite() }, false, true, "EOF"},
		"reset":                  {func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }, false, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWaiter()
			w.reach(t, s.loops[0], DialConfig{Address: address})
			theirs := await(t, accepted)
			on(t, s.loops[0], func() {
				if waiting, ended := w.conn.PeekInput(); waiting || ended {
					t.Errorf("while it is idle: waiting %v, ended %v", waiting, ended)
				}
				// The loop is busy here, so nothing is read before it is looked at.
				c.act(theirs)
				eventually(t, "it is seen", func() bool {
					waiting, ended := w.conn.PeekInput()
					return waiting == c.waiting && ended == c.ended
				})
			})
			if c.want != "" {
				if heard := await(t, w.heard); heard != c.want {
					t.Errorf("the session is told %q, want %q", heard, c.want)
				}
			}
			if c.ended {
				if err := await(t, w.closed); (err == io.EOF) != (c.want == "EOF") || err == nil {
					t.Errorf("closed with %v", err)
				}
			}
			on(t, s.loops[0], func() {
				if waiting, ended := w.conn.PeekInput(); c.ended && !ended || waiting {
					t.Errorf("afterwards: waiting %v, ended %v", waiting, ended)
				}
				w.conn.Close()
			})
		})
	}
}

// A session that has more to send keeps a connection that its peer has half-closed, and does not use it again.
func TestHalfClosedDialledConnection(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	address, accepted := accepting(t)
	w := newWaiter()
	w.keep = true
	w.reach(t, s.loops[0], DialConfig{Address: address})
	theirs := await(t, accepted)
	_ = theirs.CloseWrite()
	await(t, w.heard)
	on(t, s.loops[0], func() {
		if _, ended := w.conn.PeekInput(); !ended || w.conn.Closed() {
			t.Errorf("ended %v, closed %v", ended, w.conn.Closed())
		}
		w.conn.Close()
	})
	if rest, err := io.ReadAll(theirs); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}
