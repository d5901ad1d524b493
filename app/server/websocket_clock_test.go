//go:build linux

package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
)

// What is done to a WebSocket on a loop that nothing has come to for long counts from now on, not from
// when the loop last looked at the clock.
func TestSocketsOfAQuietLoopHaveTheirTime(t *testing.T) {
	for name, act := range map[string]func(*h1Socket){
		"drained":                   func(s *h1Socket) { s.drain() },
		"closed by the application": func(s *h1Socket) { s.run(func() { s.user.Close(4000, "") }) },
		"sent to":                   func(s *h1Socket) { s.run(func() { s.user.SendText("news") }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := serveSocket(t, &websocket.Endpoint{KeepAlive: -1, IdleTimeout: time.Minute, CloseTimeout: time.Minute})
			done := make(chan struct{})
			s.reactor.EachConn(func(c *reactor.Conn) {
				defer close(done)
				k := c.Session().(*h1Socket)
				now := k.loop.r.Now()
				k.loop.ticked = now.Add(-time.Hour)
				k.loop.ws.Tick(k.loop.ticked)
				act(k)
				if left := k.machine.Deadline().Sub(now); left < time.Minute {
					t.Errorf("%v are left", left)
				}
			})
			<-done
		})
	}
}

// serveSocket has one socket open at the endpoint until the test ends.
func serveSocket(t *testing.T, e *websocket.Endpoint) *Server {
	opened := make(chan struct{})
	e.Open = func(*websocket.Socket, *app.Request) { close(opened) }
	s, err := New(Config{
		Loops:     1,
		Logger:    zap.NewNop(),
		Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
		Handler:   func(*app.Request) app.Future[*app.Response] { return app.Ready(websocket.Accept(e)) },
	})
	if err == nil {
		err = s.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(context.Background()) })
	conn, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	<-opened
	return s
}
