package target

import (
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// SocketLimits are the limits of WebSockets; 0 means the default of websocket.Endpoint or websocket.Room.
type SocketLimits struct {
	// MaxMessage and MaxFrame are the maximum sizes of a received message and frame, in bytes.
	MaxMessage, MaxFrame int64
	// QueueBytes is the maximum that waits for a member of /ws/chat, in bytes; messages beyond are dropped for it.
	QueueBytes int
	// KeepAlive is the time without input before a ping, negative means never; IdleTimeout is the time without a
	// message before the socket is closed.
	KeepAlive, IdleTimeout time.Duration
	// MessageTimeout is the time for one message; negative means no limit.
	MessageTimeout time.Duration
	// Origins are those that may connect besides the host's own, see websocket.Endpoint.
	Origins []string
	// NoCompression declines permessage-deflate.
	NoCompression bool
}

// within sets the limits of an endpoint and returns it.
func (l *SocketLimits) within(e *websocket.Endpoint) *websocket.Endpoint {
	e.MaxMessage, e.MaxFrame = l.MaxMessage, l.MaxFrame
	e.KeepAlive, e.IdleTimeout, e.MessageTimeout = l.KeepAlive, l.IdleTimeout, l.MessageTimeout
	e.Origins, e.Compression.Off = l.Origins, l.NoCompression
	return e
}

// handleSockets adds the WebSocket endpoints.
func handleSockets(routes *router.Router, limits SocketLimits) {
	echoing := limits.within(&websocket.Endpoint{Piece: echoPiece})
	echo := func(r *app.Request) app.Answer { return echoSocket(r, echoing) }
	routes.Handle("GET /ws", checked("/ws", []string{"protocol"}, echo))
	routes.Handle("GET /ws/flood", checked("/ws/flood", []string{"n", "size"}, newFlood(limits)))
	routes.Handle("GET /ws/chat", checked("/ws/chat", nil, newChat(limits)))
}

// echoSocket accepts a socket of /ws, with the first subprotocol that is offered or the one named by ?protocol=.
func echoSocket(r *app.Request, e *websocket.Endpoint) app.Answer {
	p := params{r: r}
	protocol, given := p.text("protocol")
	if p.err != nil {
		return p.refusal()
	}
	offered := websocket.Offered(r)
	switch {
	case given && !slices.Contains(offered, protocol):
		return app.Fail(app.Statusf(400, "protocol is one that the handshake offers, not %q", protocol))
	case !given && len(offered) > 0:
		protocol = offered[0]
	}
	response := websocket.AcceptWith(e, &echoState{})
	response.Content.(*websocket.Upgrade).Protocol = protocol
	return app.Ready(response)
}

// echoPiece sends each message back, large ones while they arrive. Reading stops while the peer does not read.
func echoPiece(s *websocket.Socket, p websocket.Piece) app.Future[app.Done] {
	if p.First && p.Final {
		return s.Send(p.Kind, p.Data)
	}
	return s.State().(*echoState).piece(s, p)
}

// echoState is the message that is being sent back.
type echoState struct{ out *websocket.Writer }

func (e *echoState) piece(s *websocket.Socket, p websocket.Piece) app.Future[app.Done] {
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

// maxChat is the maximum size of a message in the room, in bytes, since it may wait for every member.
const maxChat = 64 << 10

// newChat returns a room, in which each message goes to all members. A member that reads too slowly misses
// messages.
func newChat(limits SocketLimits) app.Handler {
	room := websocket.NewRoom(websocket.RoomOptions{QueueBytes: limits.QueueBytes})
	member := limits.within(&websocket.Endpoint{
		QueueBytes: limits.QueueBytes,
		Open:       func(s *websocket.Socket, _ *app.Request) { room.Join(s) },
		Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			if err := room.Broadcast(m.Kind, m.Data); err != nil {
				return app.Failed[app.Done](err)
			}
			return app.Ready(app.Done{})
		},
	})
	if member.MaxMessage == 0 || member.MaxMessage > maxChat {
		member.MaxMessage = maxChat
	}
	return func(*app.Request) app.Answer { return app.Ready(websocket.Accept(member)) }
}
