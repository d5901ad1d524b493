package target

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// SocketLimits are those of WebSockets; 0 means the default of app.Endpoint or of app.Room.
type SocketLimits struct {
	// MaxMessage and MaxFrame are the largest message and frame that are taken, in bytes.
	MaxMessage, MaxFrame int64
	// QueueBytes is how much may wait for a member of /ws/chat before it misses messages.
	QueueBytes int
	// KeepAlive is the silence before a ping, negative is never; IdleTimeout the time without a message
	// before the end.
	KeepAlive, IdleTimeout time.Duration
}

// within gives an endpoint the limits.
func (l *SocketLimits) within(e *app.Endpoint) *app.Endpoint {
	e.MaxMessage, e.MaxFrame = l.MaxMessage, l.MaxFrame
	e.KeepAlive, e.IdleTimeout = l.KeepAlive, l.IdleTimeout
	return e
}

// handleSockets adds what speaks WebSocket. Pages of other origins may not connect.
func handleSockets(routes *app.Router, limits SocketLimits) {
	echoing := limits.within(&app.Endpoint{Piece: echoPiece})
	routes.Handle("/ws", func(*app.Request) app.Future[*app.Response] {
		return app.Ready(app.WebSocketWith(echoing, &echoState{}))
	})
	routes.Handle("/ws/flood", newFlood(limits))
	routes.Handle("/ws/chat", newChat(limits))
}

// echoPiece sends every message back, large ones while they arrive. A peer that does not read is not
// read from either.
func echoPiece(s *app.Socket, p app.Piece) app.Future[app.Done] {
	if p.First && p.Final {
		return s.Send(p.Kind, p.Data)
	}
	return s.State().(*echoState).piece(s, p)
}

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

// maxChat is the largest message in the room, in bytes: each may wait for every member.
const maxChat = 64 << 10

// newChat makes a room: what one says, all hear. Who reads too slowly misses
// messages.
func newChat(limits SocketLimits) app.Handler {
	room := app.NewRoom(app.RoomOptions{QueueBytes: limits.QueueBytes})
	member := limits.within(&app.Endpoint{
		QueueBytes: limits.QueueBytes,
		Open:       func(s *app.Socket, _ *app.Request) { room.Join(s) },
		Message: func(_ *app.Socket, m app.Message) app.Future[app.Done] {
			if err := room.Broadcast(m.Kind, m.Data); err != nil {
				return app.Failed[app.Done](err)
			}
			return app.Ready(app.Done{})
		},
	})
	if member.MaxMessage == 0 || member.MaxMessage > maxChat {
		member.MaxMessage = maxChat
	}
	return func(*app.Request) app.Future[*app.Response] { return app.Ready(app.WebSocket(member)) }
}
