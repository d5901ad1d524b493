//go:build linux

package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// The operator is told what is being run, for whom, for how long and where it stands, and not too often;
// what happens is counted.
func TestStallIsReported(t *testing.T) {
	s := newStage(t, nil)
	other, guilty := s.dial(), s.dial()
	other.say("GET /promise HTTP/1.1\r\nHost: a\r\n\r\n")
	s.await(1)
	guilty.say("GET /stall?why HTTP/1.1\r\nHost: a\r\n\r\n")
	guilty.gone()
	s.resolve()
	other.hear("GET", 200, "resolved")
	for _, message := range []string{"loop is stalled", killed} {
		settled(t, message, func() bool { return s.logs.FilterMessage(message).Len() > 0 })
		entries := s.logs.FilterMessage(message).All()
		if len(entries) != 1 {
			t.Fatalf("%q was logged %d times", message, len(entries))
		}
		fields := entries[0].ContextMap()
		if want := "GET /stall?why from " + guilty.LocalAddr().String(); fields["what"] != want {
			t.Errorf("%q names %v, want %s", message, fields["what"], want)
		}
		if stack, _ := fields["stack"].(string); !strings.Contains(stack, "(*stage).stall") {
			t.Errorf("%q has the stack %s", message, stack)
		}
	}
	if d, _ := s.logs.FilterMessage("loop is stalled").All()[0].ContextMap()["for"].(time.Duration); d < 50*time.Millisecond {
		t.Errorf("stalled for %v", d)
	}
	settled(t, "the count of moves", func() bool { return s.Stats().Loops[0].MovedIn == 1 })
	if l := s.Stats().Loops[0]; l.Stalls != 1 || l.Kills != 1 || l.Replaced != 1 || l.StallTime < 100*time.Millisecond {
		t.Errorf("counted %+v", l)
	}
}

// A handler that is slow, but not too slow, costs a line in the log and nothing else.
func TestSlowHandlerIsOnlyReported(t *testing.T) {
	s := newStage(t, nil, func(c *server.Config) { c.Stall.Warn, c.Stall.Timeout = 10*time.Millisecond, -1 })
	l := s.dial()
	l.say("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
	settled(t, "a line in the log", func() bool { return s.logs.FilterMessage("loop is stalled").Len() == 1 })
	s.letGo()
	l.hear("GET", 200, "came back")
	if n := s.kills(); n != 0 {
		t.Errorf("%d kills", n)
	}
}

// Middleware may change a request while the watchdog reports it: the report has what came.
func TestReportReadsNothingThatChanges(t *testing.T) {
	s := newStage(t, func(s *stage) map[string]app.Handler {
		return map[string]app.Handler{"changes": func(r *app.Request) app.Answer {
			for began := time.Now(); time.Since(began) < 200*time.Millisecond; { // within which it is reported
				r.Method, r.Target = "CHANGED", "/changed"
				r.Method, r.Target = "CHANGED AGAIN", "/changed/again"
			}
			return app.Ready(app.Text(200, "came back"))
		}}
	}, func(c *server.Config) { c.Stall.Warn, c.Stall.Timeout = 10*time.Millisecond, -1 })
	l := s.dial()
	l.say("GET /changes HTTP/1.1\r\nHost: a\r\n\r\n")
	l.hear("GET", 200, "came back")
	settled(t, "a report", func() bool { return s.logs.FilterMessage("loop is stalled").Len() > 0 })
	fields := s.logs.FilterMessage("loop is stalled").All()[0].ContextMap()
	if want := "GET /changes from " + l.LocalAddr().String(); fields["what"] != want {
		t.Errorf("reported as %v, want %s", fields["what"], want)
	}
}
