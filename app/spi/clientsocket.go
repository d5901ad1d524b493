package spi

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// SocketDialer is an optional interface of a Dialer that can be the client of a WebSocket.
type SocketDialer interface {
	// ClientSocket prepares a WebSocket for one try to open it. On the loop, owned.
	ClientSocket(o *SocketOffer) ClientSocket
}

// SocketOffer is the client's side of an opening handshake.
type SocketOffer struct {
	// Upgrade has the endpoint, whose callbacks and limits apply, and the state. Its
	// Compression is offered.
	Upgrade *websocket.Upgrade
	// Protocols are the subprotocols that are offered, in order of preference.
	Protocols []string
	// Asking is passed to Endpoint.Open; it may be nil.
	Asking *app.Request
}

// ClientSocket is the client's side of a WebSocket. It is used for one Call, of which it is
// the Content: what it sends is read when the tunnel is open. Its methods are called on the
// loop, owned.
type ClientSocket interface {
	Source
	// Offer returns the fields of the opening handshake over app.HTTP11, with a new key,
	// or over app.HTTP2. The error is that of an offer that must not be sent.
	Offer(protocol string) (app.Fields, error)
	// Open checks the response of the call. If it accepts the WebSocket, the socket owns
	// the call from now on and releases it, and Endpoint.Open has been called; messages
	// follow in later tasks. The error is a *client.Error; then the caller releases the
	// call.
	Open(in *Incoming, call SocketCall) (*websocket.Socket, error)
	// CallEnded passes CallEvents.Ended after Open.
	CallEnded(err error)
	// GoAway closes the socket with 1001.
	GoAway()
}

// SocketCall is the part of a Call that a ClientSocket uses.
type SocketCall interface {
	ReadBody(p []byte, ready func()) (n int, err error)
	Tunnel() bool
	Release()
}
