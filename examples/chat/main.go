//go:build linux

// Command chat is a chat room over WebSockets with its page.
package main

import (
	"context"
	_ "embed"
	"log"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

//go:embed page.html
var page string

// room has all members. One that reads too slowly is closed, and its page connects again.
var room = websocket.NewRoom(websocket.RoomOptions{Slow: websocket.CloseSocket})

// member passes each message to everybody in the room.
var member = &websocket.Endpoint{
	MaxMessage: 4 << 10,
	KeepAlive:  30 * time.Second,
	Open:       func(s *websocket.Socket, _ *app.Request) { room.Join(s) },
	Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return app.Complete(room.Broadcast(m.Kind, m.Data))
	},
}

func main() {
	document := app.HTML(200, page)
	var r router.Router
	r.Handle("GET /{$}", func(*app.Request) app.Answer { return app.Ready(document) })
	r.Handle("GET /chat", func(*app.Request) app.Answer { return app.Ready(websocket.Accept(member)) })
	config := server.Config{Handler: r.Serve, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}
