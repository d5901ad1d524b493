package apptest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// In a bubble, work that waits for its context meets the deadline of the request without real time.
func TestWorkThatWaitsMeetsItsDeadline(t *testing.T) {
	for name, start := range map[string]func(*app.Request, func(context.Context) (*app.Response, error)) app.Answer{
		"Offload": app.Offload[*app.Response],
		"Go":      app.Go[*app.Response],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := false
				host := apptest.New(func(r *app.Request) app.Answer {
					return start(r, func(ctx context.Context) (*app.Response, error) {
						<-ctx.Done()
						ended = true
						return nil, ctx.Err()
					})
				})
				host.Timeout = time.Hour
				call := host.Do(apptest.Get("/"))
				host.Advance(time.Hour - 1)
				call.WantNoAnswer(t)
				host.Advance(1)
				if call.Status != 503 || !ended {
					t.Errorf("status %d, work ended: %v", call.Status, ended)
				}
			})
		})
	}
}

func TestCallsRecordEventsAndTheirTimes(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			return app.Then(s.Send(events.Event{Data: "a\nb"}), func(app.Done) app.Future[app.Done] {
				return app.Then(app.Sleep(r, time.Second), func(app.Done) app.Future[app.Done] {
					return s.Send(events.Event{Data: "c"})
				})
			})
		}))
	})
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	got := call.Events()
	if len(got) != 2 || got[0].Data != "a\nb" || got[1].Data != "c" {
		t.Errorf("events %+v", got)
	}
	if p := call.Pieces(); len(p) != 2 || p[0].At != 0 || p[1].At != time.Second {
		t.Errorf("pieces %+v", p)
	}
}

func TestSocketsRecordMessagesAndCloseCodes(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{
			Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
				if m.Text() == "quit" {
					_ = s.Close(4000, "bye")
					return app.Ready(app.Done{})
				}
				return s.Send(m.Kind, m.Data)
			},
		}))
	})
	s := host.OpenSocket(t, "/")
	s.Say("a")
	s.Say("b")
	s.WantHeard(t, "a", "b")
	s.Say("quit")
	s.WantHeard(t)
	s.WantClosed(t, 4000)
}

func TestWantFile(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(app.Text(200, "hello\n").With("X-Kind", "greeting"))
	})
	host.Do(apptest.Get("/")).WantFile(t, "testdata/hello.txt")
}
