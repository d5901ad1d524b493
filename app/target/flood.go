package target

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// maxMessages bounds n of /ws/flood and /events.
const maxMessages = 1_000_000_000

// maxFlood is the largest message of a flood in bytes: what peers take without being told.
const maxFlood = 16 << 20

// flood is what one socket has asked for.
type flood struct {
	messages int
	size     int64
}

// pour sends as fast as the peer reads, and closes.
func pour(s *websocket.Socket, _ *app.Request) {
	want := s.State().(*flood)
	message, err := websocket.Prepare(websocket.Binary, zeros[:want.size])
	left := want.messages
	app.While(func() app.Future[bool] {
		if left == 0 || err != nil {
			_ = s.Close(websocket.CloseNormal, "") // or it is closing already
			return app.Ready(false)
		}
		left--
		return app.Map(s.SendPrepared(message), func(app.Done) (bool, error) { return true, nil })
	})
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
		return app.Ready(websocket.AcceptWith(pouring, &flood{n, size}))
	}
}

// zeros is what messages are parts of. It is only read, and so takes addresses, no memory.
var zeros [maxFlood]byte
