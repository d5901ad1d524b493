//go:build linux

package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// A source is asked for its end while the peer's window is closed; that it has more is no failure.
func TestPullBeyondTheWindow(t *testing.T) {
	const size = 300_000
	for name, length := range map[string]int64{"known": size, "unknown": -1} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(*app.Request) app.Answer {
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

// A pull may have trailers.
func TestPullTrailers(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer {
		content := strings.NewReader("content")
		pull := &app.Pull{Size: -1, Read: content.Read, Trailers: func() app.Fields { return app.Fields{{Name: "Checksum", Value: "7"}} }}
		return app.Ready(&app.Response{Status: 200, Content: pull})
	})
	s.overBoth(func(t *testing.T, c *http.Client) {
		response, err := c.Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil || string(content) != "content" || response.Trailer.Get("Checksum") != "7" {
			t.Errorf("got %q, %v, trailers %v", content, err, response.Trailer)
		}
	})
}
