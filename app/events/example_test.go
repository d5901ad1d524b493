package events_test

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/events"
)

// What stands in docs/events.md is copied from here; a test compares.

func countdown(r *app.Request) app.Answer {
	return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
		n := 3
		return app.Every(r, time.Second, func() app.Future[app.Done] {
			if n == 0 {
				return app.Complete(io.EOF) // the end
			}
			n--
			return s.Send(events.Event{Name: "countdown", Data: strconv.Itoa(n + 1)})
		})
	}))
}

func Example_eventCountdown() {
	host := apptest.New(countdown)
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Minute)
	fmt.Print(string(call.Content))
	// Output:
	// event: countdown
	// data: 3
	//
	// event: countdown
	// data: 2
	//
	// event: countdown
	// data: 1
}

// quotes is a feed with any number of listeners.
type quotes struct {
	mu        sync.Mutex
	last      int
	listeners map[*events.Stream]bool
}

func (q *quotes) listen(r *app.Request) app.Answer {
	if q.isUpToDate(events.LastID(r)) {
		return app.Ready(app.Empty(204))
	}
	return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
		q.mu.Lock()
		q.listeners[s] = true
		q.mu.Unlock()
		return app.Finally(s.Closed(), func() {
			q.mu.Lock()
			delete(q.listeners, s)
			q.mu.Unlock()
		})
	}))
}

// publish may be called from any goroutine.
func (q *quotes) publish(price string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	for s := range q.listeners {
		if s.Push(events.Event{ID: strconv.Itoa(q.last), Data: price}) == app.ErrQueueFull {
			s.Close()
		}
	}
}

func (q *quotes) isUpToDate(id string) bool { return id == "closed" }

func Example_eventFeed() {
	feed := &quotes{listeners: map[*events.Stream]bool{}}
	host := apptest.New(feed.listen)
	call := host.Do(apptest.Get("/"))
	feed.publish("1.20")
	feed.publish("1.25")
	host.Settle()
	fmt.Print(string(call.Content))
	fmt.Println(host.Do(apptest.Get("/", "Last-Event-ID", "closed")).Status)
	// Output:
	// id: 1
	// data: 1.20
	//
	// id: 2
	// data: 1.25
	//
	// 204
}
