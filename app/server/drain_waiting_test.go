//go:build linux

package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// What has come before Shutdown is answered, also when nobody has read it yet: here the loop was busy.
func TestDrainAnswersWhatWaitsInSockets(t *testing.T) {
	for name, config := range map[string]func(*server.Config){
		"cleartext": func(*server.Config) {},
		"TLS":       withIdentity(issue(t, "a.test", nil)),
	} {
		t.Run(name, func(t *testing.T) {
			entered, goOn := make(chan struct{}), make(chan struct{})
			s := serve(t, func(r *app.Request) app.Answer {
				if r.Target == "/busy" {
					close(entered)
					<-goOn
				}
				return hello(r)
			}, config, func(c *server.Config) { c.Loops = 1 })
			dial := func() *line {
				if name == "TLS" {
					return s.dialTLS(anyone())
				}
				return s.dial()
			}
			const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
			waiting, busy, idle := dial(), dial(), dial()
			for _, l := range []*line{waiting, busy, idle} {
				l.say(request)
				l.hear("GET", 200, "Hello, World!")
			}
			busy.say("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
			<-entered
			waiting.say(request)
			ended := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				ended <- s.Shutdown(ctx)
			}()
			// The listeners close before connections are asked to drain.
			for s.dialable() {
				time.Sleep(time.Millisecond)
			}
			close(goOn)
			if r := waiting.hear("GET", 200, "Hello, World!"); !r.Close {
				t.Error("the answer does not say that the connection ends")
			}
			busy.hear("GET", 200, "Hello, World!")
			for _, l := range []*line{waiting, idle, busy} {
				l.end()
				l.Close()
			}
			if err := <-ended; err != nil {
				t.Errorf("the drain was cut: %v", err)
			}
		})
	}
}
