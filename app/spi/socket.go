package spi

import (
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// sockets has functions of package websocket that applications cannot see.
var sockets = internalapi.WebSocket.(interface {
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

// Socket is a WebSocket as its server sees it. A server embeds it by value in its session
// and calls Bind once, before Opened. Methods are called on the loop, and from Opened on as
// user code. Their error is a failure of the application, which the server logs before it
// closes with 1011.
type Socket struct{ websocket.Socket }

// Bind connects the socket with its Wire. protocol is one of the endpoint's, or empty.
func (s *Socket) Bind(w Wire, u *websocket.Upgrade, protocol string) {
	sockets.Bind(&s.Socket, w, u, protocol)
}

// Endpoint returns the endpoint of the Upgrade.
func (s *Socket) Endpoint() *websocket.Endpoint { return sockets.Endpoint(&s.Socket) }

// Opened starts the application after the opening handshake.
func (s *Socket) Opened(r *app.Request) error { return sockets.Opened(&s.Socket, r) }

// Receive passes a piece of a message to the application; p may be reused afterwards. If
// more is false, the next piece has to wait for Wire.Resume.
func (s *Socket) Receive(kind websocket.Kind, p []byte, first, final bool) (more bool, err error) {
	return sockets.Receive(&s.Socket, kind, p, first, final)
}

// Ponged passes the payload of a pong to the application; payload may be reused
// afterwards.
func (s *Socket) Ponged(payload []byte) error { return sockets.Ponged(&s.Socket, payload) }

// QueueDrained is called once after Wire.AwaitDrain.
func (s *Socket) QueueDrained() { sockets.QueueDrained(&s.Socket) }

// Ended ends the socket. c.Err is not nil if the peer sent no Close frame. It is the last
// call.
func (s *Socket) Ended(c websocket.Closed) error { return sockets.Ended(&s.Socket, c) }

// QueueLimits returns QueueBytes and QueueMessages of the endpoint, with their defaults; 0
// messages is no limit. Any goroutine.
func QueueLimits(e *websocket.Endpoint) (bytes, messages int) { return sockets.QueueLimits(e) }

// PingAfter returns KeepAlive of the endpoint, with its default; 0 is never. Any goroutine.
func PingAfter(e *websocket.Endpoint) time.Duration { return sockets.PingAfter(e) }

// EndpointSlot returns a place in which a server caches what it derives from the endpoint.
// Any goroutine.
func EndpointSlot(e *websocket.Endpoint) *atomic.Pointer[any] { return sockets.EndpointSlot(e) }

// PreparedSlot returns a place in which a server caches the encoded message. Any
// goroutine.
func PreparedSlot(p *websocket.Prepared) *atomic.Pointer[any] { return sockets.PreparedSlot(p) }

// Wire is the server's side of a WebSocket. Its methods are called on the loop, from user
// code, unless they say otherwise. They fail with websocket.ErrClosed when nothing more
// can be sent, and do not call methods of the Socket.
//
// Wire is an alias of an unnamed interface, so that package websocket, which this package
// imports, can have the same one.
type Wire = interface {
	// Loop returns the loop that owns the connection. Any goroutine.
	Loop() app.Loop
	// Home returns the same loop as a value that all its sockets share. It may be a
	// Guard. Any goroutine.
	Home() app.Loop
	// Conn returns the description of the connection.
	Conn() *app.ConnInfo
	// Send queues a copy of a message and returns the number of queued bytes. It fails
	// with app.ErrQueueFull beyond the endpoint's limits, and with websocket.ErrText.
	Send(kind websocket.Kind, p []byte) (queued int, err error)
	// SendPrepared is like Send, for an encoded message. It also fails with
	// app.ErrQueueFull if more than limit bytes are queued.
	SendPrepared(p *websocket.Prepared, limit int) (queued int, err error)
	// Begin starts a message that Write continues and End completes; until then, Send is
	// not called. Begin fails like Send; Write and End fail with websocket.ErrText.
	Begin(kind websocket.Kind) error
	Write(p []byte) (queued int, err error)
	End() (queued int, err error)
	// Ping sends a ping of up to 125 bytes.
	Ping(payload []byte) error
	// Close starts the closing handshake after the queued messages. Code and reason are
	// valid.
	Close(code int, reason string) error
	// Queued returns the size of the queue.
	Queued() (bytes, messages int)
	// AwaitDrain asks for one call of Socket.QueueDrained, after this one, when no more
	// than low bytes are queued.
	AwaitDrain(low int)
	// Resume allows pieces again after Socket.Receive has reported false.
	Resume()
	// Fail logs a failure of the application and closes with 1011.
	Fail(err error)
}
