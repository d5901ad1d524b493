package websocket_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// crowd joins n sockets on each of the loops to a room.
func crowd(t *testing.T, room *websocket.Room, loops, n int, slow bool) (*apptest.Host, []*apptest.Socket) {
	t.Helper()
	host := accepting(&websocket.Endpoint{Open: func(s *websocket.Socket, _ *app.Request) {
		room.Join(s)
		room.Join(s)
	}}, loops)
	var sockets []*apptest.Socket
	for loop := range loops {
		for range n {
			sockets = append(sockets, host.Do(&apptest.Request{Target: "/", Loop: loop, Slow: slow}).Socket())
		}
	}
	if room.Len() != loops*n {
		t.Fatalf("%d members", room.Len())
	}
	return host, sockets
}

// A broadcast is one task a loop, whatever the number of members.
func TestBroadcastIsOneTaskALoop(t *testing.T) {
	room := websocket.NewRoom(websocket.RoomOptions{})
	host, sockets := crowd(t, room, 2, 10, false)
	before := [2]int{host.Loop(0).Posted, host.Loop(1).Posted}
	for i := range 3 {
		if err := room.Broadcast(websocket.Text, fmt.Append(nil, "message ", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range before {
		if posted := host.Loop(i).Posted - before[i]; posted != 1 {
			t.Errorf("loop %d: %d tasks", i, posted)
		}
	}
	host.Settle()
	for _, s := range sockets {
		if want := []string{"message 0", "message 1", "message 2"}; !slices.Equal(texts(s.Heard), want) {
			t.Errorf("heard %q", texts(s.Heard))
		}
	}
	if err := room.Broadcast(websocket.Text, []byte{0xff}); err != websocket.ErrText {
		t.Errorf("no text: %v", err)
	}
}

func TestMembersLeave(t *testing.T) {
	room, other := websocket.NewRoom(websocket.RoomOptions{}), websocket.NewRoom(websocket.RoomOptions{})
	host, sockets := crowd(t, room, 1, 4, false)
	host.Loop(0).Post(func() {
		other.Join(sockets[0].App())
		room.Leave(sockets[0].App())
		room.Leave(sockets[0].App())
	})
	host.Settle()
	sockets[1].Drop()
	sockets[2].Close(websocket.CloseNormal, "")
	if room.Len() != 1 || other.Len() != 1 {
		t.Fatalf("%d and %d members", room.Len(), other.Len())
	}
	host.Loop(0).Post(func() { room.Join(sockets[1].App()) })
	room.Broadcast(websocket.Text, []byte("a"))
	other.Broadcast(websocket.Text, []byte("b"))
	host.Settle()
	for i, want := range [][]string{{"b"}, nil, nil, {"a"}} {
		if got := texts(sockets[i].Heard); !slices.Equal(got, want) {
			t.Errorf("socket %d heard %q, want %q", i, got, want)
		}
	}
	sockets[0].Drop()
	if other.Len() != 0 || room.Len() != 1 {
		t.Errorf("%d and %d members", room.Len(), other.Len())
	}
}

// What a slow member costs is bounded: it misses messages, or is closed.
func TestSlowMembers(t *testing.T) {
	big := []byte(strings.Repeat("x", 100))
	for policy, want := range map[websocket.SlowPolicy]struct {
		dropped, closed uint64
		code            int
	}{websocket.DropMessage: {2, 0, 0}, websocket.CloseSocket: {0, 1, websocket.ClosePolicyViolation}} {
		room := websocket.NewRoom(websocket.RoomOptions{Slow: policy, QueueBytes: 150})
		host, sockets := crowd(t, room, 1, 1, true)
		for range 4 {
			room.Broadcast(websocket.Binary, big)
			host.Settle()
		}
		if sockets[0].Queued() != 2 || sockets[0].CloseCode != want.code {
			t.Errorf("policy %d: %d queued, closed with %d", policy, sockets[0].Queued(), sockets[0].CloseCode)
		}
		if dropped, closed := room.Losses(); dropped != want.dropped || closed != want.closed {
			t.Errorf("policy %d: %d dropped, %d closed", policy, dropped, closed)
		}
	}
}

// A loop that does not run keeps a bounded number of messages.
func TestBacklogOfALoop(t *testing.T) {
	room := websocket.NewRoom(websocket.RoomOptions{Backlog: 2})
	host, sockets := crowd(t, room, 1, 3, false)
	for _, text := range []string{"a", "b", "c", "d"} {
		room.Broadcast(websocket.Text, []byte(text))
	}
	host.Settle()
	if got := texts(sockets[0].Heard); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("heard %q", got)
	}
	if dropped, _ := room.Losses(); dropped != 6 {
		t.Errorf("%d dropped", dropped)
	}
}

// Members in the middle of a message in parts get the broadcast behind it.
func TestBroadcastBehindMessageInParts(t *testing.T) {
	room := websocket.NewRoom(websocket.RoomOptions{QueueBytes: 10})
	host, sockets := crowd(t, room, 1, 1, false)
	var w *websocket.Writer
	host.Loop(0).Post(func() {
		w, _ = sockets[0].App().Begin(websocket.Text)
		w.Write([]byte("in parts"))
	})
	host.Settle()
	for range 3 {
		room.Broadcast(websocket.Text, []byte("broadcast"))
		host.Settle()
	}
	host.Loop(0).Post(func() { w.End() })
	host.Settle()
	if want := []string{"in parts", "broadcast", "broadcast"}; !slices.Equal(texts(sockets[0].Heard), want) {
		t.Errorf("heard %q", texts(sockets[0].Heard))
	}
	if dropped, _ := room.Losses(); dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

// All members get the messages in the same order, also those of several senders.
func TestBroadcastFromManyGoroutines(t *testing.T) {
	room := websocket.NewRoom(websocket.RoomOptions{})
	host, sockets := crowd(t, room, 3, 2, false)
	var senders sync.WaitGroup
	for g := range 4 {
		senders.Go(func() {
			for i := range 20 {
				room.Broadcast(websocket.Text, fmt.Append(nil, g, ":", i))
			}
		})
	}
	senders.Wait()
	host.Settle()
	want := texts(sockets[0].Heard)
	if len(want) != 80 {
		t.Fatalf("%d heard", len(want))
	}
	for _, s := range sockets[1:] {
		if !slices.Equal(texts(s.Heard), want) {
			t.Fatal("another order")
		}
	}
}
