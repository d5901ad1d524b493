package spi

import (
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// sockets is what package websocket does for servers only.
var sockets = unexported.WebSocket.(interface {
	Bind(s *websocket.Socket, w Wire, u *websocket.Upgrade, protocol string)
	Endpoint(s *websocket.Socket) *websocket.Endpoint
	Opened(s *websocket.Socket, r *app.Request) error
	Receive(s *websocket.Socket, kind websocket.Kind, p []byte, first, final bool) (more bool, err error)
	Ponged(s *websocket.Socket, payload []byte) error
	QueueDrained(s *websocket.Socket)
	Ended(s *websocket.Socket, c websocket.Closed) error
	QueueLimits(e *websocket.Endpoint) (bytes, messages int)
	PingAfter(e *websocket.Endpoint) time.Duration
	EndpointSlot(e *websocket.Endpoint) *atomic.Pointer[any]
	PreparedSlot(p *websocket.Prepared) *atomic.Pointer[any]
})

// Socket is a WebSocket as its server sees it. A server embeds it by value in its
// session and calls Bind once, before Opened. The methods are called on the loop, from
// Opened on as user code; their error is a failure of the application, after which
// the server reports it and closes with 1011.
type Socket struct{ websocket.Socket }

// Bind connects a socket with the server's side of it. protocol is one of the
// endpoint's, or empty.
func (s *Socket) Bind(w Wire, u *websocket.Upgrade, protocol string) {
	sockets.Bind(&s.Socket, w, u, protocol)
}

// Endpoint is what Bind was given.
func (s *Socket) Endpoint() *websocket.Endpoint { return sockets.Endpoint(&s.Socket) }

// Opened tells that the opening handshake is complete.
func (s *Socket) Opened(r *app.Request) error { return sockets.Opened(&s.Socket, r) }

// Receive takes a piece of a message; p is borrowed. When more is false, no further
// piece may come until Wire.Resume.
func (s *Socket) Receive(kind websocket.Kind, p []byte, first, final bool) (more bool, err error) {
	return sockets.Receive(&s.Socket, kind, p, first, final)
}

// Ponged tells of a pong; payload is borrowed.
func (s *Socket) Ponged(payload []byte) error { return sockets.Ponged(&s.Socket, payload) }

// QueueDrained is the answer to Wire.AwaitDrain.
func (s *Socket) QueueDrained() { sockets.QueueDrained(&s.Socket) }

// Ended tells that the socket is over; c.Err is not nil if the peer sent no Close
// frame. It is the last call.
func (s *Socket) Ended(c websocket.Closed) error { return sockets.Ended(&s.Socket, c) }

// QueueLimits are the endpoint's QueueBytes and QueueMessages with their defaults;
// messages 0 is no limit. Any goroutine.
func QueueLimits(e *websocket.Endpoint) (bytes, messages int) { return sockets.QueueLimits(e) }

// PingAfter is the endpoint's KeepAlive with its default; 0 is never. Any goroutine.
func PingAfter(e *websocket.Endpoint) time.Duration { return sockets.PingAfter(e) }

// EndpointSlot is where a server keeps what it has made of the endpoint. Any goroutine.
func EndpointSlot(e *websocket.Endpoint) *atomic.Pointer[any] { return sockets.EndpointSlot(e) }

// PreparedSlot is where a server keeps the encoded message. Any goroutine.
func PreparedSlot(p *websocket.Prepared) *atomic.Pointer[any] { return sockets.PreparedSlot(p) }

// Wire is the server's side of one WebSocket, as Exchange is of a request. All
// methods are called on the loop, from user code, unless they say otherwise.
// They fail with websocket.ErrClosed when nothing more can be sent. None of them
// calls back into the Socket.
//
// It is an alias of an unnamed interface, which package websocket has too: that does
// not import this one.
type Wire = interface {
	// Loop is the loop that owns the connection. Any goroutine.
	Loop() app.Loop
	// Home is the same loop in a form that all its sockets share: they are told
	// apart by ==. It may be a Guard. Any goroutine.
	Home() app.Loop
	// Conn describes the connection.
	Conn() *app.ConnInfo
	// Send queues a message and returns how many bytes wait for the peer; p is
	// copied. app.ErrQueueFull beyond the endpoint's limits; websocket.ErrText.
	Send(kind websocket.Kind, p []byte) (queued int, err error)
	// SendPrepared is Send of a message that was encoded before, with app.ErrQueueFull
	// also if more than limit bytes wait.
	SendPrepared(p *websocket.Prepared, limit int) (queued int, err error)
	// Begin starts a message that Write and End complete; there is no Send until
	// then. app.ErrQueueFull as for Send from Begin, websocket.ErrText from Write and End.
	Begin(kind websocket.Kind) error
	Write(p []byte) (queued int, err error)
	End() (queued int, err error)
	// Ping sends a ping of up to 125 bytes.
	Ping(payload []byte) error
	// Close begins the closing handshake behind what is queued. Code and reason
	// may be sent.
	Close(code int, reason string) error
	// Queued is what waits for the peer.
	Queued() (bytes, messages int)
	// AwaitDrain asks for one call of Socket.QueueDrained when no more than low bytes
	// wait, and not from inside this call.
	AwaitDrain(low int)
	// Resume says that the message is done for which Socket.Receive has answered
	// that no more may come.
	Resume()
	// Fail reports a failure of the application and closes with 1011.
	Fail(err error)
}
