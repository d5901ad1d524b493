//go:build linux

package server_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// A connection whose input is much work, requests of HTTP/2 that one read has brought or a pipeline of HTTP/1,
// does not keep a neighbour on its loop waiting until all of it is done.
func TestWorkOfOneReadLeavesRoomForOthers(t *testing.T) {
	const requests, work = 200, time.Millisecond
	handler := func(r *app.Request) app.Future[*app.Response] {
		if r.Target == "/busy" {
			for began := time.Now(); time.Since(began) < work; {
			}
		}
		return app.Ready(app.Text(200, r.Target))
	}
	for name, burden := range map[string]func(s *site) (wait func()){
		"HTTP/2": func(s *site) func() {
			l := s.dial2()
			for i := range requests {
				l.request(uint32(2*i+1), "GET", "/busy", true)
			}
			return func() {
				for stream, content := range l.contents(requests) {
					if content != "/busy" {
						t.Errorf("stream %d was answered with %q", stream, content)
					}
				}
			}
		},
		"HTTP/1.1": func(s *site) func() {
			l := s.dial()
			for range requests {
				l.say("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			return func() {
				for range requests {
					l.hear("GET", 200, "/busy")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, handler, func(c *server.Config) { c.Loops = 1 })
			neighbour := s.dial()
			neighbour.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			neighbour.hear("GET", 200, "/")
			began := time.Now()
			wait := burden(s)
			var all []time.Duration
			for time.Since(began) < requests*work {
				asked := time.Now()
				neighbour.say("GET /light HTTP/1.1\r\nHost: a\r\n\r\n")
				neighbour.hear("GET", 200, "/light")
				all = append(all, time.Since(asked))
			}
			wait()
			total := time.Since(began)
			if longest := slices.Max(all); longest > total/2 {
				t.Errorf("the neighbour waited for %v of the %v that the work took", longest, total)
			}
		})
	}
}
