package client_test

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

// Content that was read for a try over HTTP/2 is sent from its first byte by the next try over HTTP/1.1.
func TestContentIsSentAgainOverHTTP1(t *testing.T) {
	for _, length := range []string{"stated", "unknown"} {
		t.Run(length, func(t *testing.T) {
			f := newFront(t, "https", origins(client.OriginOptions{Connections: 1}), func(r *app.Request) app.Answer {
				return app.Then(answer200(r), func(resp *app.Response) app.Answer {
					return apptest.Delay(time.Second, func(*app.Request) app.Answer { return app.Ready(resp) })(r)
				})
			})
			if length == "unknown" {
				request := f.request
				f.request = func(r *app.Request, url string) *client.Request {
					req := request(r, url)
					req.Content.(*app.Pull).Size = -1
					return req
				}
			}
			call := f.Start(post("/", "0123456789"))
			f.Settle()
			old := f.wantConns(1)[0]
			if old.UnderWay() != 1 {
				t.Fatalf("%d requests are under way", old.UnderWay())
			}
			f.backend.Protocol = app.HTTP11
			old.Goaway(0)
			f.Advance(2 * time.Second)
			call.Want(t, 200, "10")
		})
	}
}
