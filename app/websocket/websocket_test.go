package websocket_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// accepting makes a host whose handler accepts WebSockets at e.
func accepting(e *websocket.Endpoint, loops int) *apptest.Host {
	return apptest.NewLoops(func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(e))
	}, loops)
}

// settled runs settle until holds reports true, for at most a minute. A goroutine whose context has ended may
// run while the host counts it as waiting.
func settled(t *testing.T, settle func(), holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("not so after a minute")
		}
		settle()
	}
}

func texts(messages []websocket.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.Text())
	}
	return all
}

func echoed(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
	return s.Send(m.Kind, m.Data)
}

func TestSocketCallbacks(t *testing.T) {
	var log []string
	e := &websocket.Endpoint{
		Protocols: []string{"v2", "v1"},
		Open: func(s *websocket.Socket, r *app.Request) {
			log = append(log, "open "+r.Target+" "+s.Protocol()+" "+s.State().(string))
			s.SendText("welcome")
		},
		Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			log = append(log, "message "+m.Text())
			return s.Send(m.Kind, m.Data)
		},
		Pong: func(_ *websocket.Socket, payload []byte) { log = append(log, "pong "+string(payload)) },
		Close: func(_ *websocket.Socket, c websocket.Closed) {
			log = append(log, c.Error())
		},
	}
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(websocket.AcceptWith(e, "state"))
	})
	socket := host.Do(apptest.Get("/ws", "Sec-WebSocket-Protocol", "v1")).Socket()
	socket.Say("one")
	socket.SayBinary([]byte{0})
	socket.Pong("p")
	socket.Close(4000, "enough")
	if want := []string{
		"open /ws v1 state", "message one", "message \x00", "pong p",
		"websocket: the WebSocket is closed with 4000 (enough)",
	}; !slices.Equal(log, want) {
		t.Errorf("called %q, want %q", log, want)
	}
	if want := []string{"welcome", "one", "\x00"}; !slices.Equal(texts(socket.Heard), want) {
		t.Errorf("heard %q, want %q", texts(socket.Heard), want)
	}
	if socket.Heard[1].Kind != websocket.Text || socket.Heard[2].Kind != websocket.Binary {
		t.Error("kinds are not kept")
	}
}

// A message may be paced by time; the socket's end is that of waiting.
func TestASocketSleepsNoLongerThanItLasts(t *testing.T) {
	var slept []error
	e := &websocket.Endpoint{
		Open: func(s *websocket.Socket, _ *app.Request) {
			s.Sleep(time.Hour).Done(func(_ app.Done, err error) { slept = append(slept, err) })
		},
		Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			return app.Then(s.Sleep(time.Second), func(app.Done) app.Future[app.Done] { return s.Send(m.Kind, m.Data) })
		},
		Close: func(s *websocket.Socket, _ websocket.Closed) {
			s.Sleep(0).Done(func(_ app.Done, err error) { slept = append(slept, err) })
		},
	}
	host := accepting(e, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	socket.Say("one")
	socket.Say("two")
	host.Advance(time.Second)
	if got := texts(socket.Heard); len(got) != 1 {
		t.Errorf("heard %q within a second", got)
	}
	host.Advance(time.Second)
	socket.Say("three")
	socket.Drop()
	if got := texts(socket.Heard); len(got) != 2 || len(slept) != 2 || host.Timers() != 0 {
		t.Errorf("heard %q, slept %v, %s", got, slept, host)
	}
	for _, err := range slept {
		if !errors.Is(err, websocket.ErrClosed) {
			t.Errorf("sleep failed with %v", err)
		}
	}
	if host.Advance(time.Hour); len(host.Panics()) > 0 {
		t.Error(host.Panics())
	}
}

// A message is the application's own, though the peer's pieces are borrowed.
func TestMessageIsOwned(t *testing.T) {
	var kept []websocket.Message
	socket := accepting(&websocket.Endpoint{Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		kept = append(kept, m)
		return app.Ready(app.Done{})
	}}, 1).Do(apptest.Get("/")).Socket()
	socket.Say("whole")
	socket.SayPiece(websocket.Text, "in ", true, false)
	socket.SayPiece(websocket.Text, "three ", false, false)
	socket.SayPiece(websocket.Text, "pieces", false, true)
	if want := []string{"whole", "in three pieces"}; !slices.Equal(texts(kept), want) {
		t.Errorf("kept %q, want %q", texts(kept), want)
	}
}

// A lent message is gone when the callback has returned.
func TestMessageIsLent(t *testing.T) {
	var kept []websocket.Message
	socket := accepting(&websocket.Endpoint{Lend: true, Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		kept = append(kept, m)
		return s.Send(m.Kind, m.Data)
	}}, 1).Do(apptest.Get("/")).Socket()
	socket.Say("whole")
	if kept[0].Text() == "whole" || !slices.Equal(texts(socket.Heard), []string{"whole"}) {
		t.Errorf("kept %q, heard %q", texts(kept), texts(socket.Heard))
	}
}

// Pieces come as they arrive, and leave in frames of their own.
func TestPiecesAreStreamed(t *testing.T) {
	var out *websocket.Writer
	socket := accepting(&websocket.Endpoint{Piece: func(s *websocket.Socket, p websocket.Piece) app.Future[app.Done] {
		if p.First {
			out, _ = s.Begin(p.Kind)
		}
		written := out.Write(p.Data)
		if p.Final {
			return out.End()
		}
		return written
	}}, 1).Do(apptest.Get("/")).Socket()
	socket.SayPiece(websocket.Binary, "a", true, false)
	socket.SayPiece(websocket.Binary, "b", false, false)
	if len(socket.Heard) != 0 || socket.Frames != 3 {
		t.Fatalf("heard %v in %d frames", socket.Heard, socket.Frames)
	}
	socket.SayPiece(websocket.Binary, "c", false, true)
	if !slices.Equal(texts(socket.Heard), []string{"abc"}) {
		t.Fatalf("heard %q", texts(socket.Heard))
	}
}

// The next message is taken when the future of the last is ready.
func TestMessagesWaitForFutures(t *testing.T) {
	var promises []*app.Promise[app.Done]
	var request *app.Request
	e := &websocket.Endpoint{
		Open: func(_ *websocket.Socket, r *app.Request) { request = r },
		Message: func(*websocket.Socket, websocket.Message) app.Future[app.Done] {
			p, f := app.Promised[app.Done](request)
			promises = append(promises, p)
			return f
		},
	}
	host := accepting(e, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	socket.Say("a")
	socket.Say("b")
	if len(promises) != 1 || socket.Unheard() != 1 {
		t.Fatalf("%d called, %d unheard", len(promises), socket.Unheard())
	}
	promises[0].Resolve(app.Done{})
	host.Settle()
	if len(promises) != 2 || socket.Unheard() != 0 {
		t.Fatalf("%d called, %d unheard", len(promises), socket.Unheard())
	}
	failure := errors.New("late")
	promises[1].Fail(failure)
	host.Settle()
	if socket.CloseCode != websocket.CloseInternalError || !errors.Is(socket.Err, failure) {
		t.Fatalf("closed with %d, %v", socket.CloseCode, socket.Err)
	}
}

// A peer that does not read stops itself: the echo's futures wait for it.
func TestSlowPeerStopsItself(t *testing.T) {
	host := accepting(&websocket.Endpoint{Message: echoed}, 1)
	socket := host.Do(&apptest.Request{Target: "/", Slow: true}).Socket()
	big := strings.Repeat("x", 40<<10)
	for range 4 {
		socket.Say(big)
	}
	if socket.Queued() != 2 || socket.Unheard() != 2 {
		t.Fatalf("%d queued, %d unheard", socket.Queued(), socket.Unheard())
	}
	if bytes, messages := socket.App().Queued(); bytes != 80<<10 || messages != 2 {
		t.Errorf("queued %d bytes, %d messages", bytes, messages)
	}
	socket.Take(1)
	if socket.Unheard() != 2 {
		t.Fatal("above the low mark")
	}
	socket.Take(1)
	if socket.Queued() != 2 || socket.Unheard() != 0 {
		t.Fatalf("%d queued, %d unheard", socket.Queued(), socket.Unheard())
	}
}

func TestQueueLimitsAndDrain(t *testing.T) {
	for name, e := range map[string]*websocket.Endpoint{
		"bytes":    {QueueBytes: 100 << 10},
		"messages": {QueueMessages: 2},
	} {
		t.Run(name, func(t *testing.T) {
			host := accepting(e, 1)
			socket := host.Do(&apptest.Request{Target: "/", Slow: true}).Socket()
			var drained []error
			host.Loop(0).Post(func() {
				big := make([]byte, 60<<10)
				first, second, third := socket.App().Send(websocket.Binary, big), socket.App().Send(websocket.Binary, big), socket.App().Send(websocket.Binary, big)
				if !first.Ready() || second.Ready() {
					t.Error("what is little is not pending, what is much is")
				}
				if _, err := third.Result(); !errors.Is(err, app.ErrQueueFull) {
					t.Errorf("beyond the limit: %v", err)
				}
				socket.App().Drained().Done(func(_ app.Done, err error) { drained = append(drained, err) })
			})
			host.Settle()
			if drained != nil {
				t.Fatal("drained too early")
			}
			socket.Take(2)
			if len(drained) != 1 || drained[0] != nil {
				t.Fatalf("drained %v", drained)
			}
		})
	}
}

// Who waits for a queue to drain learns that the socket is over, and Close is
// called last.
func TestSocketEndsWhatWaits(t *testing.T) {
	var log []string
	host := accepting(&websocket.Endpoint{Close: func(s *websocket.Socket, c websocket.Closed) {
		log = append(log, "close")
		if !errors.Is(c, app.ErrPeerGone) || c.Code != websocket.CloseAbnormal || s.Context().Err() == nil {
			t.Errorf("closed %v", c)
		}
		if _, err := s.Drained().Result(); !errors.Is(err, websocket.ErrClosed) {
			t.Errorf("drained: %v", err)
		}
	}}, 1)
	socket := host.Do(&apptest.Request{Target: "/", Slow: true}).Socket()
	host.Loop(0).Post(func() {
		socket.App().Send(websocket.Binary, make([]byte, 70<<10)).Done(func(_ app.Done, err error) {
			if errors.Is(err, websocket.ErrClosed) {
				log = append(log, "sent")
			}
		})
	})
	ctx := socket.App().Context()
	socket.Drop()
	if want := []string{"sent", "close"}; !slices.Equal(log, want) {
		t.Errorf("got %q", log)
	}
	if ctx.Err() == nil {
		t.Error("the context goes on")
	}
}

func TestClosingASocket(t *testing.T) {
	var closed websocket.Closed
	host := accepting(&websocket.Endpoint{
		Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			if err := s.Close(1005, ""); !errors.Is(err, websocket.ErrClose) {
				t.Errorf("1005 is never sent: %v", err)
			}
			if err := s.Close(4000, strings.Repeat("x", 124)); !errors.Is(err, websocket.ErrClose) {
				t.Errorf("the reason is too long: %v", err)
			}
			s.SendText("bye")
			if err := s.Close(4000, "done"); err != nil {
				t.Error(err)
			}
			if err := s.Close(4000, "done"); !errors.Is(err, websocket.ErrClosed) {
				t.Errorf("a second time: %v", err)
			}
			return s.SendText("too late")
		},
		Close: func(_ *websocket.Socket, c websocket.Closed) { closed = c },
	}, 1)
	call := host.Do(&apptest.Request{Target: "/", Slow: true})
	call.Socket().Say("close")
	if closed.Code != 0 {
		t.Fatal("closed before the peer has answered")
	}
	call.Socket().Take(1)
	if closed.Code != 4000 || call.Socket().CloseReason != "done" || !slices.Equal(texts(call.Socket().Heard), []string{"bye"}) {
		t.Fatalf("closed %v, heard %q", closed, texts(call.Socket().Heard))
	}
	if call.Socket().Err != nil {
		t.Errorf("sending to a closed socket is logged: %v", call.Socket().Err)
	}
}

func TestPanicsOfCallbacks(t *testing.T) {
	boom := errors.New("boom")
	for name, e := range map[string]*websocket.Endpoint{
		"open":    {Open: func(*websocket.Socket, *app.Request) { panic(boom) }},
		"message": {Message: func(*websocket.Socket, websocket.Message) app.Future[app.Done] { panic(boom) }},
		"piece":   {Piece: func(*websocket.Socket, websocket.Piece) app.Future[app.Done] { panic(boom) }},
		"pong":    {Pong: func(*websocket.Socket, []byte) { panic(boom) }},
	} {
		t.Run(name, func(t *testing.T) {
			ended := 0
			e.Close = func(*websocket.Socket, websocket.Closed) { ended++ }
			socket := accepting(e, 1).Do(apptest.Get("/")).Socket()
			socket.Pong("")
			socket.Say("x")
			var p *app.PanicError
			if !errors.As(socket.Err, &p) || !errors.Is(socket.Err, boom) || socket.CloseCode != websocket.CloseInternalError || ended != 1 {
				t.Errorf("%v, closed with %d, Close called %d times", socket.Err, socket.CloseCode, ended)
			}
		})
	}
}

// Messages wait while one is sent in parts, within the queue's limits.
func TestMessagesBehindOneInParts(t *testing.T) {
	host := accepting(&websocket.Endpoint{QueueMessages: 2}, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	var sent []string
	host.Loop(0).Post(func() {
		s := socket.App()
		w, err := s.Begin(websocket.Text)
		if err != nil {
			t.Error(err)
		}
		if _, err := s.Begin(websocket.Text); !errors.Is(err, app.ErrBusy) {
			t.Errorf("a second one: %v", err)
		}
		w.Write([]byte("in "))
		p, _ := websocket.Prepare(websocket.Text, []byte("prepared"))
		s.SendText("plain").Done(func(app.Done, error) { sent = append(sent, "plain") })
		s.SendPrepared(p).Done(func(app.Done, error) { sent = append(sent, "prepared") })
		if _, err := s.SendText("third").Result(); !errors.Is(err, app.ErrQueueFull) {
			t.Errorf("a third: %v", err)
		}
		w.Write([]byte("parts"))
		if len(sent) != 0 {
			t.Error("sent before the end")
		}
		w.End()
		if _, err := w.Write(nil).Result(); err == nil {
			t.Error("written behind the end")
		}
	})
	host.Settle()
	if want := []string{"in parts", "plain", "prepared"}; !slices.Equal(texts(socket.Heard), want) || len(sent) != 2 {
		t.Errorf("heard %q, sent %q", texts(socket.Heard), sent)
	}
}

func TestMessageInPartsEndsWithTheSocket(t *testing.T) {
	host := accepting(&websocket.Endpoint{}, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	var failed error
	host.Loop(0).Post(func() {
		w, _ := socket.App().Begin(websocket.Text)
		socket.App().SendText("waits").Done(func(_ app.Done, err error) { failed = err })
		socket.App().Close(websocket.CloseNormal, "")
		if _, err := w.Write(nil).Result(); !errors.Is(err, websocket.ErrClosed) {
			t.Errorf("write: %v", err)
		}
	})
	host.Settle()
	if !errors.Is(failed, websocket.ErrClosed) {
		t.Errorf("what waited: %v", failed)
	}
}

func TestTextMustBeUTF8(t *testing.T) {
	socket := accepting(&websocket.Endpoint{Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return s.Send(websocket.Text, []byte{0xff})
	}}, 1).Do(apptest.Get("/")).Socket()
	socket.Say("x")
	if !errors.Is(socket.Err, websocket.ErrText) {
		t.Errorf("got %v", socket.Err)
	}
	if _, err := websocket.Prepare(websocket.Text, []byte{0xff}); !errors.Is(err, websocket.ErrText) {
		t.Errorf("prepared: %v", err)
	}
}

func TestWhatAsksForAWebSocket(t *testing.T) {
	for _, c := range []struct {
		fields []string
		want   bool
	}{
		{nil, false},
		{[]string{"Upgrade", "WebSocket", "Connection", "keep-alive, Upgrade"}, true},
		{[]string{"Upgrade", "websocket"}, false},
		{[]string{"Upgrade", "h2c", "Connection", "upgrade"}, false},
	} {
		var got bool
		apptest.New(func(r *app.Request) app.Answer {
			got = r.IsWebSocket()
			return app.Ready(app.Empty(204))
		}).Do(apptest.Get("/", c.fields...))
		if got != c.want {
			t.Errorf("%q: %v", c.fields, got)
		}
	}
}

func TestEndpointDefaults(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, time.Minute}, {-1, 0}, {time.Second, time.Second}} {
		if got := spi.PingAfter(&websocket.Endpoint{KeepAlive: c.set}); got != c.want {
			t.Errorf("%v: %v", c.set, got)
		}
	}
}

// A small message costs the application one allocation, none when it is lent, and
// sending it back costs none.
func TestEchoAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		lend bool
		want float64
	}{"owned": {false, 1}, "lent": {true, 0}} {
		e := &websocket.Endpoint{Lend: c.lend, Message: echoed}
		var s spi.Socket
		s.Bind(nullWire{}, &websocket.Upgrade{Endpoint: e}, "")
		p := []byte("a message of thirty-two bytes...")
		if got := testing.AllocsPerRun(100, func() {
			if more, err := s.Receive(websocket.Text, p, true, true); !more || err != nil {
				t.Error(more, err)
			}
		}); got != c.want {
			t.Errorf("%s: %v allocations, want %v", name, got, c.want)
		}
	}
}

func TestAcceptingAllocatesOneObject(t *testing.T) {
	e := &websocket.Endpoint{Message: echoed}
	var r *app.Response
	if got := testing.AllocsPerRun(100, func() { r = websocket.Accept(e) }); got != 1 {
		t.Errorf("%v allocations, want 1", got)
	}
	if u, ok := r.Content.(*websocket.Upgrade); !ok || u.Endpoint != e || r.Status != 200 {
		t.Errorf("the response is %+v", r)
	}
}

// nullWire takes everything.
type nullWire struct{ spi.Wire }

func (nullWire) Send(websocket.Kind, []byte) (int, error) { return 0, nil }

func BenchmarkReceiveAndSend(b *testing.B) {
	e := &websocket.Endpoint{Lend: true, Message: echoed}
	var s spi.Socket
	s.Bind(nullWire{}, &websocket.Upgrade{Endpoint: e}, "")
	p := []byte("a message of thirty-two bytes...")
	b.ReportAllocs()
	for b.Loop() {
		s.Receive(websocket.Text, p, true, true)
	}
}

// A future that another goroutine settles while the callback returns holds nothing back.
func TestFutureSettledInBetween(t *testing.T) {
	var request *app.Request
	e := &websocket.Endpoint{
		Open: func(_ *websocket.Socket, r *app.Request) { request = r },
		Message: func(*websocket.Socket, websocket.Message) app.Future[app.Done] {
			p, f := app.Promised[app.Done](request)
			go p.Resolve(app.Done{})
			return f
		},
	}
	host := accepting(e, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	for range 1000 {
		socket.Say("x")
		settled(t, host.Settle, func() bool { return socket.Unheard() == 0 })
	}
}

func TestDrainClosesWebSockets(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	})
	s := host.Do(apptest.Get("/")).Socket()
	host.Drain()
	if s.CloseCode != websocket.CloseGoingAway || !s.Ended {
		t.Errorf("closed with %d, ended %v", s.CloseCode, s.Ended)
	}
}
