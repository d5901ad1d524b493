//go:build linux

package server_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// A producer that is started from within a continuation stalls, and returns when another has the loop:
// what unwinds behind it must not touch the loop any more.
func TestStallWithinACallIntoTheServer(t *testing.T) {
	s := newStage(t, func(s *stage) map[string]app.Handler {
		return map[string]app.Handler{"produce": func(r *app.Request) app.Future[*app.Response] {
			return app.Map(app.Sleep(r, 1), func(app.Done) (*app.Response, error) {
				return app.Streamed(200, "text/plain", func(*app.Writer) app.Future[app.Done] {
					s.stall(r, "wait")
					return app.Ready(app.Done{})
				}), nil
			})
		}}
	})
	for range 3 {
		s.rearm()
		other, guilty := s.dial(), s.dial()
		other.say("GET /before HTTP/1.1\r\nHost: a\r\n\r\n")
		other.hear("GET", 200, "/before")
		guilty.say("GET /produce HTTP/1.1\r\nHost: a\r\n\r\n")
		s.awaitStall()
		other.say("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
		// The next engine is in lent code when the first one's goroutine comes back.
		s.awaitStall()
		s.letGo()
		other.hear("GET", 200, "came back")
		other.say("GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
		other.hear("GET", 200, "/after")
	}
}
