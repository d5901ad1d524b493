package target

import (
	"maps"
	"sync"
	"weak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// maxMessages bounds n of /ws/flood and /events.
const maxMessages = 1_000_000_000

const (
	// maxFlood is the largest message of a flood: what peers take without being told.
	maxFlood = 16 << 20
	// floodMemory bounds the messages that are held for floods, in bytes. Two of the largest
	// fit, and thousands of the usual ones.
	floodMemory = 32 << 20
)

// pour sends as fast as the peer reads, and closes.
func pour(s *websocket.Socket, _ *app.Request) {
	want := s.State().(*deluge)
	message := floodMessage(want.size)
	left := want.messages
	app.While(func() app.Future[bool] {
		if left == 0 {
			s.Close(websocket.CloseNormal, "")
			return app.Ready(false)
		}
		left--
		sent := want.send(s, message)
		if sent.Ready() {
			_, err := sent.Result()
			return app.Ready(err == nil)
		}
		return app.Map(sent, func(app.Done) (bool, error) { return true, nil })
	})
}

// deluge is what one socket has asked for.
type deluge struct {
	messages int
	size     int64
}

func newFlood(limits SocketLimits) app.Handler {
	pouring := limits.within(&websocket.Endpoint{Open: pour})
	return func(r *app.Request) app.Future[*app.Response] {
		p := params{r: r}
		n := p.number("n", 1000, 1, maxMessages)
		size := p.size("size", 1<<10, maxFlood)
		if p.err != nil {
			return p.refusal()
		}
		return app.Ready(websocket.AcceptWith(pouring, &deluge{n, size}))
	}
}

// send sends the next message: the one that was made, or without one what is copied a block at a
// time.
func (d *deluge) send(s *websocket.Socket, message *websocket.Prepared) app.Future[app.Done] {
	if message != nil {
		return s.SendPrepared(message)
	}
	if d.size <= blockSize {
		return s.Send(websocket.Binary, zeros[:d.size])
	}
	out, err := s.Begin(websocket.Binary)
	if err != nil {
		return app.Failed[app.Done](err)
	}
	left := d.size
	written := app.While(func() app.Future[bool] {
		n := min(left, blockSize)
		left -= n
		return app.Map(out.Write(zeros[:n]), func(app.Done) (bool, error) { return left > 0, nil })
	})
	return app.Then(written, func(app.Done) app.Future[app.Done] { return out.End() })
}

// zeros is what messages are parts of. It is only read, and so takes addresses, no memory.
var zeros [maxFlood]byte

// floods are the messages that are being sent, by size: sockets share them.
var floods = struct {
	sync.Mutex
	messages map[int64]weak.Pointer[websocket.Prepared]
}{messages: map[int64]weak.Pointer[websocket.Prepared]{}}

// floodMessage is the message of that size, encoded once for all sockets; nil when those of other
// sizes have used up the memory that there is for all.
func floodMessage(size int64) *websocket.Prepared {
	floods.Lock()
	defer floods.Unlock()
	if message := floods.messages[size].Value(); message != nil {
		return message
	}
	maps.DeleteFunc(floods.messages, func(_ int64, m weak.Pointer[websocket.Prepared]) bool { return m.Value() == nil })
	held := size
	for other := range floods.messages {
		held += other
	}
	if held > floodMemory {
		return nil
	}
	message, err := websocket.Prepare(websocket.Binary, zeros[:size])
	if err != nil {
		return nil // only a text can be refused
	}
	floods.messages[size] = weak.Make(message)
	return message
}
