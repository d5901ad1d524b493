//go:build linux

package server_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// A source is asked for its end while the peer's window is closed; that it has more is no failure.
func TestPullBeyondTheWindow(t *testing.T) {
	const size = 300_000
	for name, length := range map[string]int64{"known": size, "unknown": -1} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(*app.Request) app.Future[*app.Response] {
				source := &patterned{left: size}
				return app.Ready(app.Pulled(200, "text/plain", length, source.Read))
			})
			p := s.dialHTTP2()
			st := p.open(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
			st.finish()
			if err := checkPattern(st, size); err != nil {
				t.Error(err)
			}
		})
	}
}
