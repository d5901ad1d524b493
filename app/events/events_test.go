package events_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/events"
)

// dispatched is an event as a browser dispatches it.
type dispatched struct{ name, data, id string }

// browser parses a stream as the HTML standard says (section 9.2.6). It returns the
// dispatched events and the final reconnection time.
func browser(stream string) (got []dispatched, retry int) {
	var name, id string
	var data []string
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	for line := range strings.SplitSeq(strings.TrimSuffix(stream, "\n"), "\n") {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != nil {
				got = append(got, dispatched{name, strings.Join(data, "\n"), id})
			}
			name, data = "", nil
		case field == "event":
			name = value
		case field == "data":
			data = append(data, value)
		case field == "id":
			id = value
		case field == "retry":
			retry, _ = strconv.Atoi(value)
		}
	}
	return got, retry
}

func TestEventFormat(t *testing.T) {
	for _, c := range []struct {
		why   string
		event events.Event
		text  string
	}{
		{"data alone", events.Event{Data: "hello"}, "data: hello\n\n"},
		{"every line end begins a data line", events.Event{Data: "a\nb\rc\r\nd"}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		{"an LF behind a CR is one line end, the other way round two", events.Event{Data: "a\n\rb"}, "data: a\ndata:\ndata: b\n\n"},
		{"a line end at the end is data", events.Event{Data: "a\n"}, "data: a\ndata:\n\n"},
		{"a space at the begin is data", events.Event{Data: " a"}, "data:  a\n\n"},
		{"a colon is data", events.Event{Data: "a: b"}, "data: a: b\n\n"},
		{"a name without data is dispatched", events.Event{Name: "tick"}, "event: tick\ndata:\n\n"},
		{"the zero event is an empty message", events.Event{}, "data:\n\n"},
		{"everything", events.Event{Name: "n", Data: "d", ID: "7", Retry: 1500 * time.Microsecond, Comment: "c"}, ": c\nretry: 2\nid: 7\nevent: n\ndata: d\n\n"},
		{"an ID alone", events.Event{ID: "7"}, "id: 7\n\n"},
		{"the last ID is forgotten", events.Event{ClearID: true}, "id\n\n"},
		{"comments have lines", events.Event{Comment: "a\nevent: b"}, ": a\n: event: b\n\n"},
	} {
		text, err := c.event.Append(nil)
		if err != nil || string(text) != c.text {
			t.Errorf("%s: %q, %v, want %q", c.why, text, err, c.text)
		}
	}
}

func TestEventErrors(t *testing.T) {
	for why, event := range map[string]events.Event{
		"LF in the name":     {Name: "a\nb"},
		"CR in the name":     {Name: "a\rb"},
		"LF in the ID":       {ID: "a\nb"},
		"CR in the ID":       {ID: "a\r"},
		"NUL in the ID":      {ID: "a\x00"},
		"a negative time":    {Retry: -1},
		"an ID and no ID":    {ID: "a", ClearID: true},
		"also with contents": {ID: "\n", Data: "x"},
	} {
		text, err := event.Append([]byte("before"))
		if !errors.Is(err, events.ErrEvent) || string(text) != "before" {
			t.Errorf("%s: %q, %v", why, text, err)
		}
	}
}

func FuzzEventFormat(f *testing.F) {
	f.Add("name", "data\r\nmore", "id", "comment")
	f.Fuzz(func(t *testing.T, name, data, id, comment string) {
		event := events.Event{Name: name, Data: data, ID: id, Comment: comment}
		text, err := event.Append(nil)
		if err != nil {
			return
		}
		got, _ := browser(string(text))
		if data == "" && name == "" && (id != "" || comment != "") {
			if len(got) != 0 {
				t.Fatalf("%+v: dispatched as %+v", event, got)
			}
			return
		}
		data = strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
		if want := []dispatched{{name, data, id}}; !slices.Equal(got, want) {
			t.Fatalf("%+v: dispatched as %+v, want %+v", event, got, want)
		}
	})
}

// streaming returns a host whose handler answers with events, and a function that returns
// the stream.
func streaming(options events.Options) (*apptest.Host, func() *events.Stream) {
	var stream *events.Stream
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(events.StreamedWith(options, func(s *events.Stream) app.Future[app.Done] {
			stream = s
			return s.Closed()
		}))
	})
	return host, func() *events.Stream { return stream }
}

func TestEvents(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			n, _ := strconv.Atoi(events.LastID(s.Request()))
			return app.While(func() app.Future[bool] {
				n++
				sent := s.Send(events.Event{ID: strconv.Itoa(n), Data: "tick"})
				return app.Then(sent, func(app.Done) app.Future[bool] {
					return app.Map(app.Sleep(r, time.Second), func(app.Done) (bool, error) { return n < 5, nil })
				})
			})
		}))
	})
	call := host.Do(apptest.Get("/", "Last-Event-ID", "3"))
	if call.Status != 200 || call.Length != -1 || call.Header.Get("Content-Type") != "text/event-stream" ||
		call.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("head %d %v", call.Status, call.Header)
	}
	if string(call.Content) != "id: 4\ndata: tick\n\n" || call.Complete {
		t.Fatalf("got %q", call.Content)
	}
	host.Advance(2 * time.Second)
	if want := "id: 4\ndata: tick\n\nid: 5\ndata: tick\n\n"; string(call.Content) != want || !call.Complete {
		t.Fatalf("got %q, want %q, complete %v", call.Content, want, call.Complete)
	}
	if host.Timers() != 0 {
		t.Errorf("%v", host)
	}
}

func TestEventsPushedFromGoroutines(t *testing.T) {
	host, stream := streaming(events.Options{Retry: time.Second})
	call := host.Do(apptest.Get("/"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 3 {
			if err := stream().Push(events.Event{Data: strconv.Itoa(i)}); err != nil {
				t.Error(err)
			}
		}
		stream().Close()
		if err := stream().Push(events.Event{}); !errors.Is(err, events.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}()
	<-done
	host.Settle()
	got, retry := browser(string(call.Content))
	if want := []dispatched{{data: "0"}, {data: "1"}, {data: "2"}}; !slices.Equal(got, want) || retry != 1000 || !call.Complete {
		t.Fatalf("got %+v, retry %d, complete %v", got, retry, call.Complete)
	}
}

func TestSlowPeerOfEvents(t *testing.T) {
	host, stream := streaming(events.Options{QueueEvents: 3})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 4})
	var outcomes []string
	host.Loop(0).Post(func() {
		for _, data := range []string{"a", "b", "c", "d"} {
			stream().Send(events.Event{Data: data}).Done(func(_ app.Done, err error) {
				outcomes = append(outcomes, data)
				if err != nil {
					outcomes = append(outcomes, err.Error())
				}
			})
		}
	})
	host.Settle()
	if want := []string{"d", app.ErrQueueFull.Error()}; !slices.Equal(outcomes, want) {
		t.Fatalf("a slow peer: %q", outcomes)
	}
	if err := stream().Push(events.Event{}); !errors.Is(err, app.ErrQueueFull) {
		t.Fatalf("push to a full queue: %v", err)
	}
	call.Take(5)
	if len(outcomes) > 3 {
		t.Fatalf("a part was taken: %q", outcomes)
	}
	for call.Accepted() > 0 {
		call.Take(5)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(outcomes[2:], want) {
		t.Fatalf("all was taken: %q", outcomes)
	}
	got, _ := browser(string(call.Content))
	if want := []dispatched{{data: "a"}, {data: "b"}, {data: "c"}}; !slices.Equal(got, want) {
		t.Fatalf("got %+v", got)
	}
	if err := stream().Push(events.Event{}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	stream().Close()
	host.Settle()
}

func TestEventQueueBytes(t *testing.T) {
	host, stream := streaming(events.Options{QueueBytes: 20})
	host.Do(&apptest.Request{Target: "/", Slow: true})
	for i, want := range []error{nil, nil, app.ErrQueueFull} {
		if err := stream().Push(events.Event{Data: strings.Repeat("x", 10)}); !errors.Is(err, want) {
			t.Errorf("push %d: %v, want %v", i, err, want)
		}
	}
	stream().Close()
}

func TestEventsFromBlockingCode(t *testing.T) {
	host, stream := streaming(events.Options{QueueEvents: 1})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 4})
	written := make(chan error)
	go func() {
		for _, data := range []string{"a", "b", "c"} {
			written <- stream().Write(events.Event{Data: data})
		}
		written <- stream().Write(events.Event{ID: "\n"})
	}()
	for i := 0; i < 3; {
		select {
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
			i++
		default:
			host.SettleLoops()
			call.Take(1)
		}
	}
	if err := <-written; !errors.Is(err, events.ErrEvent) {
		t.Errorf("got %v", err)
	}
	call.Take(call.Accepted())
	if got, _ := browser(string(call.Content)); len(got) != 3 {
		t.Errorf("got %+v", got)
	}
	stream().Close()
	host.Settle()
}

// Comments are sent on silent streams only.
func TestEventKeepAlive(t *testing.T) {
	host, stream := streaming(events.Options{})
	call := host.Do(apptest.Get("/"))
	host.Advance(14 * time.Second)
	if err := stream().Push(events.Event{Data: "a"}); err != nil {
		t.Fatal(err)
	}
	host.Advance(14 * time.Second)
	if string(call.Content) != "data: a\n\n" {
		t.Fatalf("got %q", call.Content)
	}
	host.Advance(time.Second)
	if string(call.Content) != "data: a\n\n:\n\n" {
		t.Fatalf("got %q", call.Content)
	}
	host.Advance(29 * time.Second)
	if string(call.Content) != "data: a\n\n:\n\n:\n\n" {
		t.Fatalf("got %q", call.Content)
	}
	stream().Close()
	host.Settle()
	if host.Timers() != 0 || !call.Complete {
		t.Errorf("%v, complete %v", host, call.Complete)
	}
}

func TestEventsWithoutKeepAlive(t *testing.T) {
	host, _ := streaming(events.Options{KeepAlive: -1})
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Hour)
	if len(call.Content) != 0 || call.Complete || host.Timers() != 0 {
		t.Errorf("got %q, %v", call.Content, host)
	}
}

func TestEventsEndWhenThePeerLeaves(t *testing.T) {
	for name, leave := range map[string]func(*apptest.Call){
		"gone":        (*apptest.Call).Leave,
		"half closed": (*apptest.Call).HalfClose,
	} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			host := apptest.New(func(*app.Request) app.Answer {
				return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
					return app.Finally(s.Closed(), func() { close(closed) })
				}))
			})
			call := host.Do(apptest.Get("/"))
			leave(call)
			for ended := false; !ended; {
				host.Settle()
				select {
				case <-closed:
					ended = true
				default:
				}
			}
			host.Settle()
			if host.Timers() != 0 {
				t.Errorf("%v", host)
			}
			if name == "half closed" && !call.Complete {
				t.Error("the response has no end")
			}
		})
	}
}

// Pending events fail when the peer leaves.
func TestEventFailsWhenThePeerLeaves(t *testing.T) {
	host, stream := streaming(events.Options{})
	call := host.Do(&apptest.Request{Target: "/", Slow: true})
	var failures []error
	host.Loop(0).Post(func() {
		for range 2 {
			stream().Send(events.Event{Data: "a"}).Done(func(_ app.Done, err error) { failures = append(failures, err) })
		}
	})
	host.Settle()
	call.Leave()
	if len(failures) != 2 || !errors.Is(failures[0], app.ErrPeerGone) || !errors.Is(failures[1], app.ErrPeerGone) {
		t.Fatalf("got %v", failures)
	}
}

func TestEventsThatFail(t *testing.T) {
	failure := errors.New("of the application")
	for name, produce := range map[string]func(*events.Stream) app.Future[app.Done]{
		"failure": func(s *events.Stream) app.Future[app.Done] {
			s.Send(events.Event{Data: "a"})
			return app.Failed[app.Done](failure)
		},
		"later": func(s *events.Stream) app.Future[app.Done] {
			s.Send(events.Event{Data: "a"})
			return app.Then(app.Sleep(s.Request(), time.Second), func(app.Done) app.Future[app.Done] {
				return app.Failed[app.Done](failure)
			})
		},
		"panic": func(s *events.Stream) app.Future[app.Done] {
			s.Send(events.Event{Data: "a"})
			panic(failure)
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := apptest.New(func(*app.Request) app.Answer { return app.Ready(events.Streamed(produce)) })
			call := host.Do(apptest.Get("/"))
			host.Advance(time.Second)
			if !call.Aborted || !errors.Is(call.Err, failure) || string(call.Content) != "data: a\n\n" {
				t.Errorf("aborted %v, %v, %q", call.Aborted, call.Err, call.Content)
			}
			if host.Timers() != 0 {
				t.Errorf("%v", host)
			}
		})
	}
}

// HEAD and a declined stream do not call the producer.
func TestEventsDeclined(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		if r.RawPath == "/stop" {
			return app.Ready(app.Empty(204))
		}
		return app.Ready(events.Streamed(func(*events.Stream) app.Future[app.Done] {
			t.Error("produced for " + r.Method)
			return app.Ready(app.Done{})
		}))
	})
	if call := host.Do(apptest.Get("/stop")); call.Status != 204 || !call.Complete {
		t.Errorf("got %d", call.Status)
	}
	call := host.Do(&apptest.Request{Method: "HEAD", Target: "/"})
	if call.Status != 200 || !call.Complete || call.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %d %v", call.Status, call.Header)
	}
}
