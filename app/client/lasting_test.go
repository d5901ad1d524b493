package client_test

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// lastingFront is a front whose backend has streams that last: /events, whose content does not end, and WebSockets.
func lastingFront(t *testing.T, o client.OriginOptions) (f *front, openSockets func(n int)) {
	o.Streams = 10
	f = newFront(t, "h2c", origins(o), func(r *app.Request) app.Answer {
		switch {
		case r.IsWebSocket():
			return app.Ready(websocket.Accept(&websocket.Endpoint{}))
		case r.Target == "/events":
			return app.Ready(&app.Response{Status: 200, Content: &app.Pull{
				Size: -1,
				Read: func([]byte) (int, error) { return 0, nil },
				Wait: func(func()) {},
			}})
		case r.Target == "/slow":
			return never(r)
		}
		return hello(r)
	})
	return f, func(n int) {
		for range n {
			f.Loop(0).Post(func() {
				f.client.WebSocketOn(f.Loop(0), &client.SocketRequest{URL: f.url, Endpoint: &websocket.Endpoint{}})
			})
		}
		f.Settle()
	}
}

// TestStreamsThatLast: streams that last take no room of requests for good.
func TestStreamsThatLast(t *testing.T) {
	t.Run("WebSockets", func(t *testing.T) {
		f, open := lastingFront(t, client.OriginOptions{})
		open(35)
		f.wantConns(4)
		for range 20 { // what two connections have room for
			f.Start(get("/slow"))
		}
		f.Settle()
		f.Do(get("/")).Want(t, 200, "GET /")
		for range 5 {
			f.Start(get("/slow"))
		}
		f.Settle()
		f.Do(get("/")).WantNoAnswer(t)
		f.wantConns(6)
	})
	t.Run("event streams", func(t *testing.T) {
		f, _ := lastingFront(t, client.OriginOptions{})
		for range 20 {
			f.Start(get("/events"))
		}
		f.wantConns(2)
		call := f.Do(get("/"))
		call.WantNoAnswer(t) // they may end soon
		f.Advance(2 * time.Second)
		call.Want(t, 200, "GET /")
		f.wantConns(3)
	})
	t.Run("requests without an answer", func(t *testing.T) {
		f, _ := lastingFront(t, client.OriginOptions{})
		for range 20 {
			f.Start(get("/slow"))
		}
		call := f.Do(get("/"))
		f.Advance(5 * time.Second)
		call.WantNoAnswer(t)
		f.wantConns(2)
	})
	t.Run("limit", func(t *testing.T) {
		f, open := lastingFront(t, client.OriginOptions{LastingConnections: 1})
		open(50)
		f.wantConns(3)
		f, open = lastingFront(t, client.OriginOptions{LastingConnections: -1})
		open(50)
		f.wantConns(2)
	})
	t.Run("their end", func(t *testing.T) {
		f, _ := lastingFront(t, client.OriginOptions{Idle: 10 * time.Second})
		var streams []*apptest.Call
		for range 35 {
			streams = append(streams, f.Start(get("/events")))
		}
		f.Advance(2 * time.Second)
		f.wantConns(4)
		for _, s := range streams {
			s.Leave()
		}
		for range 21 {
			f.Start(get("/slow"))
		}
		f.Advance(30 * time.Second)
		f.wantConns(3) // those without requests are idle
	})
}
