//go:build linux

package client_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
)

// A Resolve that blocks its loop costs its own request, not the later ones of the origin.
func TestLiveResolveThatBlocks(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			addr := goBackend(t, &processed{}, func(*http.Server) {})
			var calls atomic.Int32
			entered, goOn := make(chan struct{}), make(chan struct{})
			options := client.OriginOptions{HTTP1Connections: 1, Resolve: func() []string {
				if calls.Add(1) == 1 {
					close(entered)
					<-goOn
				}
				return []string{addr}
			}}
			l := newLive(t, scheme+"://name", options, func(_ *live, c *server.Config) {
				c.Loops = 1
				c.Stall = server.StallConfig{Warn: 50 * time.Millisecond, Timeout: 200 * time.Millisecond}
			})
			blocked := make(chan struct{})
			go func() {
				defer close(blocked)
				if resp, err := l.user.Get("http://" + l.addr); err == nil {
					resp.Body.Close()
				}
			}()
			<-entered
			resp, err := l.user.Get("http://" + l.addr)
			close(goOn)
			<-blocked
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
}
