//go:build linux

package server_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// A connection whose input is much work, requests of HTTP/2 that one read has brought or a pipeline of HTTP/1,
// does not keep a neighbour on its loop waiting until all of it is done.
func TestWorkOfOneReadLeavesRoomForOthers(t *testing.T) {
	const requests, work = 200, time.Millisecond
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
			entered, open := make(chan struct{}), make(chan struct{})
			busy := 0               // requests that were handled. On the loop
			var before atomic.Int64 // how many of them before the neighbour's
			s := serve(t, func(r *app.Request) app.Answer {
				switch r.Target {
				case "/gate":
					close(entered)
					<-open
				case "/busy":
					for began := time.Now(); time.Since(began) < work; {
					}
					busy++
				case "/light":
					before.Store(int64(busy))
				}
				return app.Ready(app.Text(200, r.Target))
			}, func(c *server.Config) { c.Loops = 1 })
			// The loop is kept until the requests of both lie in their sockets.
			gate, neighbour := s.dial(), s.dial()
			neighbour.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			neighbour.hear("GET", 200, "/")
			gate.say("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
			<-entered
			wait := burden(s)
			neighbour.say("GET /light HTTP/1.1\r\nHost: a\r\n\r\n")
			close(open)
			neighbour.hear("GET", 200, "/light")
			wait()
			gate.hear("GET", 200, "/gate")
			if n := before.Load(); n > requests/2 {
				t.Errorf("the neighbour waited for %d of the %d requests", n, requests)
			}
		})
	}
}
