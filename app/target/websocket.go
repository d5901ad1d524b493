package target

import (
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
