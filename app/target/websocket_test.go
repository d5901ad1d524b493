package target_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/app/websocket"
)

func TestWrongParametersOfStreams(t *testing.T) {
	host := newHost(t, target.Config{})
	for url, sentence := range map[string]string{
		"/ws/flood?n=0":       `n is a number from 1 to 1000000000, not "0"`,
		"/ws/flood?size=1KB":  `size is a number of bytes such as 512, 64KiB or 1MiB, not "1KB"`,
		"/ws/flood?size=1GiB": "size is at most 16777216 bytes, not 1GiB",
		"/events?n=many":      `n is a number from 1 to 1000000000, not "many"`,
		"/events?every=x":     `every is a duration such as 150ms or 2s, not "x"`,
	} {
		call := host.Do(apptest.Get(url))
		if call.Status != 400 || string(call.Content) != sentence+"\n" {
			t.Errorf("%s: got %d %q, want 400 %q", url, call.Status, call.Content, sentence)
		}
	}
}

func heard(s *apptest.Socket) (all []string) {
	for _, m := range s.Heard {
		all = append(all, m.Text())
	}
	return all
}

func TestSocketEcho(t *testing.T) {
	socket := newHost(t, target.Config{}).Do(apptest.Get("/ws")).Socket()
	socket.Say("whole")
	socket.SayPiece(websocket.Binary, "in ", true, false)
	socket.SayPiece(websocket.Binary, "parts", false, true)
	socket.Say("again")
	if want := []string{"whole", "in parts", "again"}; !slices.Equal(heard(socket), want) {
		t.Errorf("heard %q", heard(socket))
	}
}

func TestSocketProtocol(t *testing.T) {
	host := newHost(t, target.Config{})
	for _, c := range []struct{ query, offers, want string }{
		{"", "", ""},
		{"", "chat, superchat", "chat"},
		{"?protocol=superchat", "chat, superchat", "superchat"},
	} {
		r := apptest.Get("/ws" + c.query)
		if c.offers != "" {
			r.Fields = app.Fields{{Name: "Sec-WebSocket-Protocol", Value: c.offers}}
		}
		if got := host.Do(r).Socket().App().Protocol(); got != c.want {
			t.Errorf("%q of %q: subprotocol %q, want %q", c.query, c.offers, got, c.want)
		}
	}
	call := host.Do(apptest.Get("/ws?protocol=other"))
	if want := `protocol is one that the handshake offers, not "other"` + "\n"; call.Status != 400 || string(call.Content) != want {
		t.Errorf("got %d %q, want 400 %q", call.Status, call.Content, want)
	}
}

func TestChat(t *testing.T) {
	host := newHost(t, target.Config{})
	first, second := host.Do(apptest.Get("/ws/chat")).Socket(), host.Do(apptest.Get("/ws/chat")).Socket()
	first.Say("hello")
	second.Drop()
	first.Say("gone?")
	if !slices.Equal(heard(first), []string{"hello", "gone?"}) || !slices.Equal(heard(second), []string{"hello"}) {
		t.Errorf("heard %q and %q", heard(first), heard(second))
	}
}

// The limits that an operator sets are those of every endpoint; the room's own bound stays.
func TestSocketLimits(t *testing.T) {
	limits := target.SocketLimits{MaxMessage: 1 << 10, MaxFrame: 1 << 9, QueueBytes: 1 << 20, KeepAlive: -1, IdleTimeout: time.Hour}
	host := newHost(t, target.Config{WebSocket: limits})
	for _, path := range []string{"/ws", "/ws/chat", "/ws/flood"} {
		e := host.Do(&apptest.Request{Target: path, Slow: true}).Socket().Endpoint()
		if e.MaxMessage != 1<<10 || e.MaxFrame != 1<<9 || spi.PingAfter(e) != 0 || e.IdleTimeout != time.Hour {
			t.Errorf("%s: %d, %d, %v, %v", path, e.MaxMessage, e.MaxFrame, spi.PingAfter(e), e.IdleTimeout)
		}
	}
	room := newHost(t, target.Config{}).Do(apptest.Get("/ws/chat")).Socket().Endpoint()
	if room.MaxMessage != 64<<10 {
		t.Errorf("messages in the room have %d bytes at most", room.MaxMessage)
	}
}

func TestFlood(t *testing.T) {
	host := newHost(t, target.Config{})
	socket := host.Do(&apptest.Request{Target: "/ws/flood?n=20&size=20KiB", Slow: true}).Socket()
	if bytes, _ := socket.App().Queued(); bytes > 100<<10 {
		t.Errorf("%d bytes queued", bytes)
	}
	for !socket.Ended {
		socket.Take(1)
	}
	if len(socket.Heard) != 20 || len(socket.Heard[0].Data) != 20<<10 || socket.CloseCode != websocket.CloseNormal {
		t.Errorf("%d messages, closed with %d", len(socket.Heard), socket.CloseCode)
	}
}

func TestEvents(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(apptest.Get("/events?n=3&every=2s"))
	host.Advance(3 * time.Second)
	if want := "id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n"; string(call.Content) != want || call.Complete {
		t.Errorf("got %q", call.Content)
	}
	host.Advance(time.Second)
	if !call.Complete || !strings.HasSuffix(string(call.Content), "id: 3\ndata: 3\n\n") {
		t.Errorf("got %q", call.Content)
	}
	if call := host.Do(apptest.Get("/events?n=3&every=0", "Last-Event-ID", "1")); string(call.Content) != "id: 2\ndata: 2\n\nid: 3\ndata: 3\n\n" {
		t.Errorf("got %q", call.Content)
	}
	if call := host.Do(apptest.Get("/events?n=3", "Last-Event-ID", "3")); call.Status != 204 {
		t.Errorf("got %d", call.Status)
	}
}
