//go:build linux

package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// A request that is over is told once, with its status, its content in both directions, its times and its outcome.
func TestFinished(t *testing.T) {
	type ended struct {
		path string
		server.Record
	}
	handler := func(r *app.Request) app.Answer {
		switch r.Target {
		case "/whole":
			return app.Ready(app.Text(200, "Hello, World!"))
		case "/echo":
			return app.Ready(app.Streamed(201, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Map(app.Copy(w, r.Body), func(int64) (app.Done, error) { return app.Done{}, nil })
			}))
		case "/pull":
			return app.Ready(app.Pulled(200, "text/plain", 5, strings.NewReader("12345").Read))
		case "/late":
			return app.Map(app.Sleep(r, 50*time.Millisecond), func(app.Done) (*app.Response, error) { return app.Text(200, ""), nil })
		case "/broken":
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Then(w.WriteString("begun"), func(app.Done) app.Future[app.Done] {
					return app.Failed[app.Done](errors.New("of the application"))
				})
			}))
		case "/endless":
			return app.Ready(app.Pulled(200, "text/plain", -1, func(p []byte) (int, error) { return len(p), nil }))
		}
		return app.Fail(app.Statusf(404, "nothing here"))
	}
	for version, client := range clients {
		t.Run(version, func(t *testing.T) {
			told := make(chan ended, 1)
			s := serve(t, handler, func(c *server.Config) {
				c.Finished = func(r *app.Request, record server.Record) { told <- ended{r.Target, record} }
			})
			c := client(s)
			for _, want := range []ended{
				{"/whole", server.Record{Status: 200, Out: 13}},
				{"/echo", server.Record{Status: 201, In: 7, Out: 7}},
				{"/pull", server.Record{Status: 200, Out: 5}},
				{"/none", server.Record{Status: 404, Out: 13}},
				{"/late", server.Record{Status: 200}},
				{"/broken", server.Record{Status: 200, Out: 5, Outcome: server.Aborted}},
				{"/endless", server.Record{Status: 200, Outcome: server.PeerGone}},
			} {
				ctx, cancel := context.WithCancel(t.Context())
				method, body := "GET", io.Reader(nil)
				if want.In > 0 {
					method, body = "POST", strings.NewReader("content")
				}
				request, err := http.NewRequestWithContext(ctx, method, s.url(want.path), body)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := c.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				if want.Outcome == server.PeerGone {
					_, _ = resp.Body.Read(make([]byte, 1))
					cancel()
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				cancel()
				select {
				case got := <-told:
					if want.path == "/late" && (got.Wait < 50*time.Millisecond || got.Total < got.Wait || got.Total > patience) {
						t.Errorf("%s: head after %v, over after %v", want.path, got.Wait, got.Total)
					}
					if want.Outcome == server.PeerGone && got.Out > 0 {
						got.Out = 0 // as much as the peer's windows took
					}
					got.Record = server.Record{Outcome: got.Outcome, Status: got.Status, In: got.In, Out: got.Out}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("%s: got %+v, want %+v", want.path, got, want)
					}
				case <-time.After(patience):
					t.Fatalf("%s: nothing is told", want.path)
				}
			}
			eventually(t, "the counts", func() bool { n := s.Counts(); return n.Aborted == 1 && n.PeerGone == 1 })
		})
	}
}

// A WebSocket takes its request over.
func TestFinishedByAWebSocket(t *testing.T) {
	told := make(chan server.Record, 1)
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	}, func(c *server.Config) { c.Finished = func(_ *app.Request, r server.Record) { told <- r } })
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if got := <-told; got.Outcome != server.Upgraded || got.Status != 101 {
		t.Errorf("got %+v", got)
	}
}
