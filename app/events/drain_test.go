package events_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/events"
)

// A draining server ends event streams, and everything that their producers wait for.
func TestDrainEndsEvents(t *testing.T) {
	for name, produce := range map[string]func(*events.Stream) app.Future[app.Done]{
		"by time": func(s *events.Stream) app.Future[app.Done] { return app.Sleep(s.Request(), time.Hour) },
		"by Timeout": func(s *events.Stream) app.Future[app.Done] {
			_, never := app.Promised[app.Done](s.Request())
			return app.Timeout(s.Request(), time.Hour, never)
		},
		"by an event": func(s *events.Stream) app.Future[app.Done] {
			return app.After(app.Sleep(s.Request(), time.Hour), func(app.Done, error) app.Future[app.Done] {
				return s.Send(events.Event{Data: "too late"})
			})
		},
		"by Push": func(s *events.Stream) app.Future[app.Done] {
			return app.Map(s.Closed(), func(d app.Done) (app.Done, error) { return d, s.Push(events.Event{Data: "too late"}) })
		},
		"by its context": func(s *events.Stream) app.Future[app.Done] {
			return app.Map(s.Closed(), func(d app.Done) (app.Done, error) { return d, context.Cause(s.Context()) })
		},
		"by asking": func(s *events.Stream) app.Future[app.Done] {
			return app.Map(s.Request().Draining(), func(app.Done) (app.Done, error) { return app.Done{}, app.ErrDraining })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var end error
			host := apptest.New(func(*app.Request) app.Answer {
				return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
					s.Send(events.Event{Data: "a"})
					f := produce(s)
					f.Done(func(_ app.Done, err error) { end = err })
					return f
				}))
			})
			call := host.Do(apptest.Get("/"))
			host.Drain()
			if string(call.Content) != "data: a\n\n" || !call.Complete || call.Err != nil {
				t.Errorf("the peer has %q, complete %v, %v", call.Content, call.Complete, call.Err)
			}
			if !errors.Is(end, app.ErrDraining) {
				t.Errorf("the producer ends with %v", end)
			}
			if host.Timers() != 0 {
				t.Errorf("%v", host)
			}
		})
	}
}

// Queued events are sent to a slow peer, but nothing waits for that.
func TestDrainSendsQueuedEvents(t *testing.T) {
	host, stream := streaming(events.Options{QueueEvents: 2})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 4})
	var failures []error
	host.Loop(0).Post(func() {
		for range 2 {
			stream().Send(events.Event{Data: "a"}).Done(func(_ app.Done, err error) { failures = append(failures, err) })
		}
	})
	host.Settle()
	written := make(chan error)
	begun := make(chan struct{})
	go func() {
		close(begun)
		written <- stream().Write(events.Event{Data: "no room"})
	}()
	<-begun
	host.Drain()
	for over := false; !over; {
		select {
		case err := <-written:
			over = true
			if err != app.ErrDraining {
				t.Errorf("a Write that waits for room ends with %v", err)
			}
		default:
			host.SettleLoops()
		}
	}
	host.Settle()
	if len(failures) != 2 || failures[0] != app.ErrDraining || failures[1] != app.ErrDraining {
		t.Errorf("what waits ends with %v", failures)
	}
	if call.Complete || !stream().Closed().Ready() {
		t.Errorf("complete %v, closed %v", call.Complete, stream().Closed().Ready())
	}
	takeAll(call)
	if string(call.Content) != "data: a\n\ndata: a\n\n" || !call.Complete {
		t.Errorf("the peer has %q, complete %v", call.Content, call.Complete)
	}
}

// takeAll makes a slow peer take everything.
func takeAll(call *apptest.Call) {
	for call.Accepted() > 0 {
		call.Take(5)
	}
}

// A stream that starts while the server drains ends at once, without a failure.
func TestEventsWhileDraining(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(events.StreamedWith(events.Options{Retry: time.Second}, func(s *events.Stream) app.Future[app.Done] {
			return s.Send(events.Event{Data: "too late"})
		}))
	})
	host.Drain()
	call := host.Do(apptest.Get("/"))
	if call.Status != 200 || string(call.Content) != "retry: 1000\n\n" || !call.Complete || host.Timers() != 0 {
		t.Errorf("got %d %q, complete %v, %v", call.Status, call.Content, call.Complete, host)
	}
}

// A failure of the application aborts a draining stream.
func TestEventsFailWhileDraining(t *testing.T) {
	failure := errors.New("of the application")
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			s.Send(events.Event{Data: "a"})
			return app.Catch(app.Sleep(s.Request(), time.Hour), func(error) app.Future[app.Done] { return app.Failed[app.Done](failure) })
		}))
	})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 4})
	host.Drain()
	takeAll(call)
	if !call.Aborted || call.Err != failure {
		t.Errorf("aborted %v, %v", call.Aborted, call.Err)
	}
}

// Queued events are sent even if the producer fails after its own Close.
func TestEventsAfterClose(t *testing.T) {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			s.Send(events.Event{Data: "a"})
			s.Close()
			return s.Send(events.Event{Data: "b"})
		}))
	})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 4})
	takeAll(call)
	if string(call.Content) != "data: a\n\n" || !call.Complete {
		t.Errorf("the peer has %q, complete %v, %v", call.Content, call.Complete, call.Err)
	}
}
