//go:build linux

package client_test

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
)

// A target that cannot be sent is named in the failure, without its query.
func TestLiveMalformedTarget(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		backend := newLive(t, "http://127.0.0.1:1", client.OriginOptions{}, func(_ *live, config *server.Config) {
			config.Handler = hello
		})
		var mu sync.Mutex
		var text string
		var target string
		l := newLive(t, scheme+"://"+backend.addr, client.OriginOptions{}, func(l *live, config *server.Config) {
			config.Handler = func(r *app.Request) app.Answer {
				mu.Lock()
				asked := l.client.Do(r, &client.Request{Origin: l.origin, Target: target})
				mu.Unlock()
				return app.After(asked, func(_ *client.Response, err error) app.Answer {
					mu.Lock()
					defer mu.Unlock()
					if text = ""; err != nil {
						text = err.Error()
					}
					return app.Fail(err)
				})
			}
		})
		for _, test := range []struct{ target, want string }{
			{"/a b", `GET "/a b" (" " at byte 2): `},
			{"/a?token=secret word", `GET "/a?..." (" " at byte 15): `},
			{"/" + strings.Repeat("x", 1000) + " ", `GET "/` + strings.Repeat("x", 99) + `..." (" " at byte 1001): `},
		} {
			mu.Lock()
			target = test.target
			mu.Unlock()
			resp, err := l.user.Get("http://" + l.addr)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			mu.Lock()
			want := "client: client-malformed: " + scheme + "://" + backend.addr + ": " + test.want
			if resp.StatusCode != 500 || !strings.HasPrefix(text, want) {
				t.Errorf("%s, %.30q: status %d, %q", scheme, test.target, resp.StatusCode, text)
			}
			mu.Unlock()
		}
	}
}
