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

// Two requests wait for the same result. What the first one does with it is not the second one's to suffer.
func TestStallOfOneOfTwoWhoWait(t *testing.T) {
	var shared app.Future[string]
	var result *app.Promise[string]
	s := newStage(t, func(s *stage) map[string]app.Handler {
		return map[string]app.Handler{
			"first": func(r *app.Request) app.Future[*app.Response] {
				result, shared = app.Promised[string](r)
				s.arrived <- struct{}{}
				return app.Map(shared, func(string) (*app.Response, error) {
					s.stall(r, "wait")
					return app.Text(200, "came back"), nil
				})
			},
			"second": func(r *app.Request) app.Future[*app.Response] {
				s.arrived <- struct{}{}
				return app.Map(app.Here(r, shared), func(v string) (*app.Response, error) { return app.Text(200, v), nil })
			},
		}
	})
	first, second := s.dial(), s.dial()
	first.say("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
	s.await(1)
	second.say("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	s.await(1)
	result.Resolve("for both")
	s.awaitStall()
	second.hear("GET", 200, "for both")
	first.gone()
}
