//go:build linux

package server

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/ws"
)

// A connection that is lost amid a compressed message leaves nothing of it with its loop.
func TestLostSocketLeavesNothing(t *testing.T) {
	var shared ws.Shared
	shared.Tick(time.Unix(1, 0))
	s := &socket{ended: true}
	s.machine.Init(&shared, ws.Server, ws.Deflate{On: true, ServerNoContext: true, ClientNoContext: true}, nil)
	var ev ws.Event
	// The first fragment of a compressed text, with a mask of zeros.
	if _, err := s.machine.Next([]byte("\x41\x83\x00\x00\x00\x00\xf2\x48\xcd"), &ev); err != nil {
		t.Fatal(err)
	}
	if n := shared.Unfinished(); n != 1 {
		t.Fatalf("%d messages are unfinished", n)
	}
	s.peerGone(websocket.ErrClosed)
	if n := shared.Unfinished(); n != 0 {
		t.Errorf("%d messages are unfinished", n)
	}
}
