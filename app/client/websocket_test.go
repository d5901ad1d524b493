package client_test

import (
	"errors"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// socketHost is a host whose handler opens a WebSocket, and keeps it or the failure.
type socketHost struct {
	*apptest.Host
	socket *websocket.Socket
	err    error
	heard  []string
	pongs  []string
	closed []websocket.Closed
}

func newSocketHost(t *testing.T, request client.SocketRequest) *socketHost {
	c := client.New(client.Options{})
	t.Cleanup(c.Close)
	h := &socketHost{}
	request.Endpoint = &websocket.Endpoint{
		Protocols: []string{"v2", "v1"},
		Open:      func(s *websocket.Socket, _ *app.Request) { s.SendText("first") },
		Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			h.heard = append(h.heard, m.Text())
			return app.Ready(app.Done{})
		},
		Pong:  func(_ *websocket.Socket, payload []byte) { h.pongs = append(h.pongs, string(payload)) },
		Close: func(_ *websocket.Socket, closed websocket.Closed) { h.closed = append(h.closed, closed) },
	}
	h.Host = apptest.New(func(r *app.Request) app.Answer {
		return app.After(c.WebSocket(r, &request), func(s *websocket.Socket, err error) app.Answer {
			h.socket, h.err = s, err
			return app.Ready(app.Text(200, ""))
		})
	})
	return h
}

// on runs f on the loop.
func (h *socketHost) on(f func()) {
	h.Loop(0).Post(f)
	h.Settle()
}

func TestSocketWithoutNetwork(t *testing.T) {
	for _, scheme := range []string{"ws", "h2c", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			h := newSocketHost(t, client.SocketRequest{URL: scheme + "://a.test:80/feed"})
			b := h.Answer("a.test:80", func(r *app.Request) app.Answer {
				if !r.IsWebSocket() {
					return app.Ready(app.Text(400, ""))
				}
				return app.Ready(websocket.Accept(&websocket.Endpoint{
					Protocols: []string{"v1"},
					Open:      func(s *websocket.Socket, _ *app.Request) { s.SendText("welcome") },
					Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
						return s.Send(m.Kind, m.Data)
					},
				}))
			})
			h.Do(apptest.Get("/"))
			if h.err != nil || h.socket.Protocol() != "v1" {
				t.Fatalf("not opened: %v", h.err)
			}
			h.on(func() { h.socket.SendText("hello"); h.socket.Ping([]byte("p")) })
			if len(h.heard) != 3 || h.heard[0] != "welcome" || h.heard[1] != "first" || h.heard[2] != "hello" || len(h.pongs) != 1 {
				t.Errorf("heard %q, pongs %q", h.heard, h.pongs)
			}
			other := b.Calls[0].Socket()
			h.on(func() { h.socket.Close(4000, "done") })
			if !other.Ended || len(h.closed) != 1 || h.closed[0].Code != 4000 {
				t.Errorf("ended %v, closed %+v", other.Ended, h.closed)
			}
			h.Do(apptest.Get("/"))
			other = b.Calls[1].Socket()
			h.on(func() { other.App().Close(4001, "bye") })
			if len(h.closed) != 2 || h.closed[1].Code != 4001 || h.closed[1].Reason != "bye" {
				t.Errorf("closed %+v", h.closed)
			}
		})
	}
}

// A server that takes no WebSockets over HTTP/2 is asked over HTTP/1.1, if the scheme allows.
func TestSocketWithoutTunnels(t *testing.T) {
	for scheme, works := range map[string]bool{"h2c": false, "h2": false, "ws": true} {
		t.Run(scheme, func(t *testing.T) {
			h := newSocketHost(t, client.SocketRequest{URL: scheme + "://a.test:80/feed"})
			b := h.Answer("a.test:80", func(*app.Request) app.Answer {
				return app.Ready(websocket.Accept(&websocket.Endpoint{}))
			})
			b.NoTunnels = true
			h.Do(apptest.Get("/"))
			if works != (h.err == nil) || !works && !errors.Is(h.err, client.ErrNoTunnels) {
				t.Errorf("%v", h.err)
			}
			if !works && b.Requests != 0 {
				t.Errorf("%d requests", b.Requests)
			}
		})
	}
}

func TestSocketIsDeclined(t *testing.T) {
	h := newSocketHost(t, client.SocketRequest{URL: "ws://a.test:80/feed"})
	h.Answer("a.test:80", func(*app.Request) app.Answer { return app.Ready(app.Text(403, "no")) })
	h.Do(apptest.Get("/"))
	var declined *client.Declined
	if !errors.As(h.err, &declined) || declined.Status != 403 {
		t.Errorf("%v", h.err)
	}
}
