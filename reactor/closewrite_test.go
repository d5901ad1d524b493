//go:build linux

package reactor

import (
	"bytes"
	"io"
	"testing"
)

// hearer is a session that says something, shuts writing down and goes on listening.
type hearer struct {
	lines
	heard bytes.Buffer
	all   chan string // what was heard until the peer's FIN
}

func (s *hearer) Receive(in []byte) int {
	if s.heard.Len() == 0 {
		s.say("first and last")
		s.conn.CloseWrite()
	}
	s.heard.Write(in)
	return len(in)
}

func (s *hearer) EOF() bool {
	s.all <- s.heard.String()
	return false
}

// After CloseWrite the peer has its FIN, and what it sends then is still received.
func TestCloseWrite(t *testing.T) {
	closed, all := make(chan error, 1), make(chan string, 1)
	open := func(c *Conn) Session { return &hearer{lines: lines{conn: c, closed: closed}, all: all} }
	for name, s := range map[string]*server{
		"plain": serve(t, Config{Loops: 1}, open),
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			c.say("one")
			c.want("first and last")
			c.wantEnd()
			c.say("two")
			c.say("three")
			_ = c.CloseWrite()
			if got, want := await(t, all), "one\ntwo\nthree\n"; got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
			if err := await(t, closed); err != io.EOF {
				t.Errorf("closed with %v", err)
			}
		})
	}
}
