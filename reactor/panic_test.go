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

// A panic in one of many things that a turn does takes none of the others along: timers, tasks, visits,
// connections that are finished, and what waits for the next engine.
func TestPanicStrandsNothingElse(t *testing.T) {
	const n = 5
	for name, begin := range map[string]func(d *driven, do func(i int)){
		"timers": func(d *driven, do func(i int)) {
			for i := range n {
				d.AfterFunc(-1, func() { do(i) })
			}
			d.Post(d.expire)
		},
		"tasks": func(d *driven, do func(i int)) {
			for i := range n {
				d.Post(func() { do(i) })
			}
		},
		"visits": func(d *driven, do func(i int)) {
			for range n {
				d.open(1)
			}
			i := 0
			d.reactor.EachConn(func(*Conn) { i++; do(i - 1) })
		},
		"connections": func(d *driven, do func(i int)) {
			for i := range n {
				s, _ := d.open(1)
				s.conn.session = &outputs{done: func() { do(i) }}
				s.conn.Touch()
			}
		},
		"deferred connections": func(d *driven, do func(i int)) {
			for i := range n {
				s, _ := d.open(1)
				s.conn.session = &outputs{done: func() { do(i) }}
				d.deferConn(s.conn)
			}
		},
		"revival": func(d *driven, do func(i int)) {
			for i := range n {
				d.firstTasks = append(d.firstTasks, func() { do(i) })
			}
			d.Post(func() {})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriven(t)
			done := map[int]bool{}
			d.begin()
			begin(d, func(i int) {
				if i == n/2 {
					panic("as told")
				}
				done[i] = true
			})
			d.end()
			d.wakes()
			for turns := 0; len(done) < n-1 && turns < n; turns++ {
				d.begin()
				d.expire() // for which the loop is woken by the runtime
				d.end()
				d.wakes()
			}
			if len(done) != n-1 {
				t.Errorf("only %v were done", done)
			}
		})
	}
}
