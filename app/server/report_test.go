//go:build linux

package server_test

import (
	"errors"
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

type panickingResponse struct{ error }

func (panickingResponse) Response() *app.Response { panic("no response") }

// The response for a failure is made by the application's code, too.
func TestFailureWhoseResponsePanics(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		err := panickingResponse{errors.New("why")}
		if r.RawPath == "/later" {
			return app.Then(app.Sleep(r, time.Millisecond), func(app.Done) app.Answer { return app.Fail(err) })
		}
		return app.Fail(err)
	}, func(c *server.Config) { c.Loops = 1 })
	l := s.dial()
	for _, path := range []string{"/now", "/later", "/now"} {
		l.say(get(path))
		l.hear("GET", 500, "Internal Server Error\n")
	}
	eventually(t, "all are logged", func() bool { return s.logs.FilterMessage("request failed").Len() == 3 })
	if text := s.logs.FilterMessage("request failed").All()[0].ContextMap()["error"]; text != "its error panics: no response" {
		t.Errorf("%v", text)
	}
}
