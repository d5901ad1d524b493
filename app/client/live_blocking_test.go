//go:build linux

package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
)

func TestLiveBlockingHandler(t *testing.T) {
	content := strings.Repeat("content ", 100_000)
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			addr := goBackend(t, &processed{}, func(s *http.Server) {
				s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Trailer", "Sum")
					io.Copy(w, r.Body)
					w.Header().Set("Sum", "1")
				})
			})
			l := newLive(t, scheme+"://"+addr, client.OriginOptions{}, func(l *live, c *server.Config) {
				c.Handler = app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
					resp, err := l.client.DoBlocking(r, &client.Request{
						Method: "POST", Origin: l.origin, Target: "/", Content: app.Bytes(content),
					})
					if err != nil {
						return err
					}
					body := resp.Body.Reader()
					if _, err := io.Copy(w, body); err != nil {
						return err
					}
					w.Trailer("Sum", body.Trailers().Get("Sum"))
					return nil
				})
			})
			for range 3 {
				resp, err := l.user.Get("http://" + l.addr)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(b) != content || resp.Trailer.Get("Sum") != "1" {
					t.Errorf("got %d bytes, trailers %v: %v", len(b), resp.Trailer, err)
				}
			}
		})
	}
}

// Content and trailers pass through a handler both ways.
func TestLiveContentPassesBothWays(t *testing.T) {
	content := strings.Repeat("content ", 100_000)
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			seen := make(chan string, 10)
			addr := goBackend(t, &processed{}, func(s *http.Server) {
				s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.NewResponseController(w).EnableFullDuplex()
					w.Header().Set("Trailer", "Sum")
					io.Copy(w, r.Body)
					w.Header().Set("Sum", "1")
					seen <- r.Trailer.Get("Check")
				})
			})
			l := newLive(t, scheme+"://"+addr, client.OriginOptions{})
			for range 3 {
				req, _ := http.NewRequest("POST", "http://"+l.addr, io.MultiReader(strings.NewReader(content)))
				req.Trailer = http.Header{"Check": {"2"}}
				resp, err := l.user.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(b) != content || resp.Trailer.Get("Sum") != "1" {
					t.Errorf("got %d of %d bytes, trailers %v: %v", len(b), len(content), resp.Trailer, err)
				}
				if check := <-seen; check != "2" {
					t.Errorf("the backend got the trailer %q", check)
				}
			}
		})
	}
}
