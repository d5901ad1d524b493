//go:build linux

package server_test

import (
	"io"
	"testing"

	"github.com/gatewheel/gatewheel/app/server"
)

// Two connections from a proxy use two loops, wherever the kernel put them.
func TestHTTP2ConnectionsSpreadOverLoops(t *testing.T) {
	for range 8 {
		s := serve(t, hello)
		for range 2 {
			response, err := s.client2().Get(s.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		for i, l := range s.Stats().Loops {
			if l.Connections != 1 {
				t.Fatalf("loop %d has %d connections, want 1", i, l.Connections)
			}
		}
	}
}

// Without balance a connection stays where it was accepted.
func TestNoBalance(t *testing.T) {
	s := serve(t, hello, func(c *server.Config) { c.NoBalance = true })
	for range 8 {
		response, err := s.client2().Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	for i, l := range s.Stats().Loops {
		if l.MovedIn != 0 {
			t.Fatalf("%d connections were moved to loop %d", l.MovedIn, i)
		}
	}
}
