//go:build linux

package server_test

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// blockingText is a failure whose text waits: for a lock, say.
type blockingText struct{ release chan struct{} }

func (b blockingText) Error() string  { <-b.release; return "late" }
func (b blockingText) String() string { <-b.release; return "late" }

// The text of a failure is made by the application's code, so the watchdog treats it like that.
func TestFailureWhoseTextBlocksCostsItsOwnConnection(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/error":
			return app.Fail(blockingText{release})
		case "/panic":
			panic(blockingText{release})
		}
		return app.Ready(app.Text(200, "ok"))
	}, func(c *server.Config) {
		c.Loops = 1
		c.Stall = server.StallConfig{Warn: 20 * time.Millisecond, Timeout: 200 * time.Millisecond, Abort: func(reason string, _ []byte) {
			t.Errorf("aborted: %s", reason)
		}}
	})
	other := s.dial()
	for i, path := range []string{"/error", "/panic"} {
		blamed := s.dial()
		blamed.say(get(path))
		blamed.end()
		other.say(get("/"))
		other.hear("GET", 200, "ok")
		if n := s.Stats().Loops[0].Kills; n != int64(i+1) {
			t.Errorf("%s: %d kills", path, n)
		}
	}
}

type panickingText struct{}

func (panickingText) Error() string { panic("no text") }

func TestFailureWhoseTextPanics(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer { return app.Fail(panickingText{}) })
	l := s.dial()
	l.say(get("/"))
	l.hear("GET", 500, "Internal Server Error\n")
	eventually(t, "it is logged", func() bool { return s.logs.FilterMessage("request failed").Len() == 1 })
}
