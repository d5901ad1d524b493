//go:build linux

package reactor

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// doomed panics in lent code, and once more when it is told of its end.
type doomed struct{ lines }

func (s *doomed) Closed(err error) {
	s.lines.Closed(err)
	s.conn.Loop().Lend(s.conn, nil)
	panic("in Closed")
}

// A panic over a connection's end is logged with its stack, and leaves the loop to its owner.
func TestPanicInClosed(t *testing.T) {
	closed := make(chan error, 1)
	core, logged := observer.New(zap.ErrorLevel)
	s := serve(t, Config{Loops: 1, Logger: zap.New(core)}, func(c *Conn) Session {
		return &doomed{lines{conn: c, closed: closed}}
	})
	c := s.dial()
	c.say("panic")
	c.wantEnd()
	if err := await(t, closed); err != ErrPanic {
		t.Errorf("closed with %v", err)
	}
	on(t, s.loops[0], func() {
		if state := s.loops[0].state(); state != stateOwned {
			t.Errorf("the loop is in state %d", state)
		}
	})
	if n := s.Stats().Loops[0].Panics; n != 2 {
		t.Errorf("%d panics", n)
	}
	logqueue.Flush(s.log, patience)
	for _, entry := range logged.All() {
		if stack, _ := entry.ContextMap()["stack"].(string); !strings.Contains(stack, "goroutine") {
			t.Errorf("%q was logged without a stack", entry.Message)
		}
	}
	if n := logged.Len(); n != 2 {
		t.Errorf("%d panics were logged", n)
	}
}
