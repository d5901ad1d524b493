package target

import (
	"maps"
	"sync"
	"weak"

	"github.com/gatewheel/gatewheel/app"
)

// handleSockets adds what speaks WebSocket. Pages of other origins may not connect.
func handleSockets(routes *app.Router) {
	routes.Handle("/ws", func(*app.Request) app.Future[*app.Response] {
		return app.Ready(app.WebSocketWith(echoing, &echoState{}))
	})
	routes.Handle("/ws/flood", flood)
	routes.Handle("/ws/chat", newChat())
}

// maxMessages bounds n of /ws/flood and /events.
const maxMessages = 1_000_000_000

// echoing sends every message back, large ones while they arrive. A peer that
// does not read is not read from either.
var echoing = &app.Endpoint{Piece: func(s *app.Socket, p app.Piece) app.Future[app.Done] {
	if p.First && p.Final {
		return s.Send(p.Kind, p.Data)
	}
	return s.State().(*echoState).piece(s, p)
}}

// echoState is a message that is on its way back.
type echoState struct{ out *app.MessageWriter }

func (e *echoState) piece(s *app.Socket, p app.Piece) app.Future[app.Done] {
	if p.First {
		var err error
		if e.out, err = s.Begin(p.Kind); err != nil {
			return app.Failed[app.Done](err)
		}
	}
	written := e.out.Write(p.Data)
	if !p.Final {
		return written
	}
	if written.Ready() {
		if _, err := written.Result(); err != nil {
			return written
		}
	}
	return e.out.End()
}

// newChat makes a room: what one says, all hear. Who reads too slowly misses
// messages.
func newChat() app.Handler {
	room := app.NewRoom(app.RoomOptions{})
	member := &app.Endpoint{
		MaxMessage: 64 << 10,
		Open:       func(s *app.Socket, _ *app.Request) { room.Join(s) },
		Message: func(_ *app.Socket, m app.Message) app.Future[app.Done] {
			if err := room.Broadcast(m.Kind, m.Data); err != nil {
				return app.Failed[app.Done](err)
			}
			return app.Ready(app.Done{})
		},
	}
	return func(*app.Request) app.Future[*app.Response] { return app.Ready(app.WebSocket(member)) }
}

// flooding sends as fast as the peer reads, and closes.
var flooding = &app.Endpoint{Open: func(s *app.Socket, _ *app.Request) {
	want := s.State().(*deluge)
	left := want.messages
	app.While(func() app.Future[bool] {
		if left == 0 {
			s.Close(app.CloseNormal, "")
			return app.Ready(false)
		}
		left--
		sent := s.SendPrepared(want.message)
		if sent.Ready() {
			_, err := sent.Result()
			return app.Ready(err == nil)
		}
		return app.Map(sent, func(app.Done) (bool, error) { return true, nil })
	})
}}

type deluge struct {
	messages int
	message  *app.Prepared
}

func flood(r *app.Request) app.Future[*app.Response] {
	var p params
	n := p.number(r, "n", 1000, 1, maxMessages)
	size := p.size(r, "size", 1<<10, 16<<20)
	if p.err != nil {
		return app.Failed[*app.Response](p.err)
	}
	message, err := floodMessage(size)
	if err != nil {
		return app.Failed[*app.Response](err)
	}
	return app.Ready(app.WebSocketWith(flooding, &deluge{n, message}))
}

// floods are the messages that are being sent, by size: sockets share them, so that
// they cost no more memory than one.
var floods = struct {
	sync.Mutex
	messages map[int64]weak.Pointer[app.Prepared]
}{messages: map[int64]weak.Pointer[app.Prepared]{}}

// floodMessage is the message of that size.
func floodMessage(size int64) (*app.Prepared, error) {
	floods.Lock()
	defer floods.Unlock()
	if message := floods.messages[size].Value(); message != nil {
		return message, nil
	}
	message, err := app.Prepare(app.BinaryMessage, make([]byte, size))
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(floods.messages, func(_ int64, m weak.Pointer[app.Prepared]) bool { return m.Value() == nil })
	floods.messages[size] = weak.Make(message)
	return message, nil
}
