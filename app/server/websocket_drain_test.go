//go:build linux

package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/websocket"
)

// A peer that does not answer the Close frame of a server that stops is cut off. The application hears of the end.
func TestDrainEndsSilentSockets(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(echoes())
		e.CloseTimeout = time.Hour
		s := serve(t, at(e))
		peer := s.open(protocol, "/")
		peer.say(text("hello"))
		peer.hear(text("hello"))
		stopped := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			stopped <- s.Shutdown(ctx)
		}()
		peer.hear(closing(websocket.CloseGoingAway, ""))
		if c := next(t, ends); c.Code != websocket.CloseAbnormal || c.Err == nil {
			t.Errorf("closed %+v", c)
		}
		if err := next(t, stopped); err != nil {
			t.Errorf("the drain was cut: %v", err)
		}
	})
}
