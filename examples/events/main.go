//go:build linux

// Command events sends the time to its page each second, as server-sent events.
package main

import (
	"context"
	_ "embed"
	"log"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

//go:embed page.html
var page string

// clock sends the time each second until the peer leaves or the server drains.
func clock(r *app.Request) app.Answer {
	return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
		return app.Every(r, time.Second, func() app.Future[app.Done] {
			return s.Send(events.Event{Name: "time", Data: time.Now().Format(time.TimeOnly)})
		})
	}))
}

func main() {
	document := app.HTML(200, page)
	var r router.Router
	r.Handle("GET /{$}", func(*app.Request) app.Answer { return app.Ready(document) })
	r.Handle("GET /clock", clock)
	config := server.Config{Handler: r.Serve, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}
