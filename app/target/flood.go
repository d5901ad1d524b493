package target

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// maxMessages bounds n of /ws/flood and /events.
const maxMessages = 1_000_000_000

// maxFlood is the maximum size of a message of /ws/flood, in bytes: a common default limit of clients.
const maxFlood = 16 << 20

// flood is what a client of /ws/flood asks for.
type flood struct {
	messages int
	size     int64
}

// pour sends the messages as fast as the peer reads, and closes the socket.
func pour(s *websocket.Socket, _ *app.Request) {
	want := s.State().(*flood)
	message, err := websocket.Prepare(websocket.Binary, zeros[:want.size])
	left := want.messages
	app.While(func() app.Future[bool] {
		if left == 0 || err != nil {
			_ = s.Close(websocket.CloseNormal, "") // fails if it is closing already
			return app.Ready(false)
		}
		left--
		return app.Map(s.SendPrepared(message), func(app.Done) (bool, error) { return true, nil })
	})
}

func newFlood(limits SocketLimits) app.Handler {
	pouring := limits.within(&websocket.Endpoint{Open: pour})
	return func(r *app.Request) app.Answer {
		p := params{r: r}
		n := p.number("n", 1000, 1, maxMessages)
		size := p.size("size", 1<<10, maxFlood)
		if p.err != nil {
			return p.refusal()
		}
		return app.Ready(websocket.AcceptWith(pouring, &flood{n, size}))
	}
}

// zeros is the content of messages. It is never written to, so it occupies no memory.
var zeros [maxFlood]byte
