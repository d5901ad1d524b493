//go:build linux

package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// What cannot be served is refused in words that name it, before any socket is open.
func TestConfigsThatAreRefused(t *testing.T) {
	for says, change := range map[string]func(*server.Config){
		"Handler":                  func(c *server.Config) { c.Handler = nil },
		"no address to listen on":  func(c *server.Config) { c.Listeners = nil },
		"-1 loops":                 func(c *server.Config) { c.Loops = -1 },
		"handshake timeout of -1s": func(c *server.Config) { c.HandshakeTimeout = -time.Second },
		"16384 to 16777215":        func(c *server.Config) { c.HTTP2.MaxFrameSize = 1 },
	} {
		config := server.Config{Handler: hello, Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}}}
		change(&config)
		if _, err := server.New(config); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("failed with %v, want %q", err, says)
		}
	}
}
