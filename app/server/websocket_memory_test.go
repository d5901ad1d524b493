//go:build linux

package server_test

import (
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// Messages that never end share what their loop has for them, and an HTTP/2 connection has a part of that.
func TestIncompleteMessagesAreBounded(t *testing.T) {
	part := strings.Repeat("x", 256<<10)
	e := &websocket.Endpoint{Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return s.SendText("got it")
	}}
	e.MaxMessage = 600 << 10
	s := serve(t, at(e), func(c *server.Config) { c.Loops, c.MessageMemory = 1, 900<<10 })
	// An eighth is less than one message, which is what a connection may have then.
	holder, others := s.open("HTTP/2.0", "/"), s.open("HTTP/2.0", "/")
	holder.say(frame{opText, part}, frame{opContinuation, part}, frame{fin | opPing, ""})
	holder.hear(frame{fin | opPong, ""})
	others.say(frame{opText, part}, frame{opContinuation, part})
	others.hear(closing(1013, "too many incomplete messages"))
	others = s.open("HTTP/1.1", "/")
	others.say(frame{opText, part}, frame{opContinuation, part})
	others.hear(closing(1013, "too many incomplete messages"))
	if n := s.Counts().Refused[server.MessageMemory]; n != 2 {
		t.Errorf("%d refusals are counted", n)
	}
	// What is small needs no memory, and what is over gives it back.
	others = s.open("HTTP/1.1", "/")
	others.say(frame{opText, "a"}, frame{fin | opContinuation, "b"})
	others.hear(text("got it"))
	holder.say(frame{fin | opContinuation, "the end"})
	holder.hear(text("got it"))
	for range 3 {
		others.say(frame{opText, part}, frame{fin | opContinuation, part})
		others.hear(text("got it"))
	}
}
