// Package websocket answers with WebSockets (RFC 6455), over HTTP/1.1 and HTTP/2: by
// callbacks on the loop, or in a goroutine for each socket. The same endpoints serve
// WebSockets to other servers (client.Client.WebSocket).
package websocket

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Accept returns a response that accepts a WebSocket (RFC 6455): with status 101 over
// HTTP/1.1, with 200 over HTTP/2 (RFC 8441), and with the response's fields. For a request
// that is not a valid opening handshake, or that has a foreign origin, the server responds
// with an error instead and no callback is called. To decline a WebSocket, return another
// response.
//
//	var echo = &websocket.Endpoint{
//		Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
//			return s.Send(m.Kind, m.Data)
//		},
//	}
//
//	func handle(*app.Request) app.Answer {
//		return app.Ready(websocket.Accept(echo))
//	}
func Accept(e *Endpoint) *app.Response { return AcceptWith(e, nil) }

// AcceptWith is Accept with a value that Socket.State returns.
func AcceptWith(e *Endpoint, state any) *app.Response {
	// One object: the garbage of two would lie between what connections keep.
	a := &struct {
		app.Response
		Upgrade
	}{app.Response{Status: 200}, Upgrade{Endpoint: e, State: state}}
	a.Content = &a.Upgrade
	return &a.Response
}

// Upgrade is the content of a response that accepts a WebSocket.
type Upgrade struct {
	Endpoint *Endpoint
	State    any
	// Protocol is the subprotocol, in place of one of Endpoint.Protocols. It has no effect
	// if the client has not offered it.
	Protocol string
}

// Offered returns the subprotocols that a request offers, in the client's order of
// preference, for handlers that set Upgrade.Protocol. Any goroutine.
func Offered(r *app.Request) (protocols []string) {
	for _, f := range r.Fields {
		if !octets.EqualFold(f.Name, "Sec-WebSocket-Protocol") {
			continue
		}
		for list := f.Value; list != ""; {
			var protocol string
			if protocol, list = octets.CutElement(list); octets.IsToken(protocol) {
				protocols = append(protocols, protocol)
			}
		}
	}
	return protocols
}

// Length returns -1: it is unknown.
func (*Upgrade) Length() int64 { return -1 }

// Endpoint has the callbacks and limits of WebSockets of one kind. It serves any number of
// sockets. It must not change once the first is open, and must not be copied.
//
// Set either the callbacks or Serve. Callbacks run on the socket's loop, one at a time, and
// must not block. A panic closes the socket with 1011 and is logged.
type Endpoint struct {
	// Open is called first. It may keep the request, which is released otherwise. For a
	// WebSocket to another server, r is the request that asked for it, or nil.
	Open func(s *Socket, r *app.Request)
	// Message is called for each message. The next one is read when the future is
	// ready; so `return s.Send(...)` stops a peer that sends faster than it reads. An
	// error other than ErrClosed closes the socket with 1011.
	Message func(s *Socket, m Message) app.Future[app.Done]
	// Lend makes Message.Data borrowed: it is valid until the callback returns. That
	// saves the only allocation of a message that is sent on or decoded at once.
	Lend bool
	// Piece is called, in place of Message, with the pieces of messages as they arrive:
	// for messages that are too large for memory. The future is as in Message.
	Piece func(s *Socket, p Piece) app.Future[app.Done]
	// Pong is called for each pong, also for unsolicited ones; payload is borrowed.
	Pong func(s *Socket, payload []byte)
	// Close is called last and exactly once, even if Open has panicked.
	Close func(s *Socket, c Closed)

	// Serve handles a socket in a goroutine of its own and may block. ctx ends with the
	// socket. The socket is closed, after what was written, when Serve returns: with 1000
	// for nil, with code and reason of an error that is a Closed, and with 1011 for any
	// other error or a panic, which is logged.
	Serve func(ctx context.Context, c *Conn) error

	// Protocols are the supported subprotocols (RFC 6455 section 1.9). The first one of
	// the client's list that is among them is chosen. Another server is offered them, in
	// this order.
	Protocols []string
	// Origins are the origins whose pages may connect, in addition to the host's own:
	// "https://example.org", "https://*.example.org" for its subdomains, "*" for all.
	// Clients that are no browsers send no Origin and are always allowed. It has no effect
	// on WebSockets to other servers.
	Origins []string
	// Compression has the options of permessage-deflate (RFC 7692).
	Compression Compression

	// MaxMessage is the size of the largest message accepted, in bytes after
	// decompression; 0 means 16 MiB. A larger one closes with 1009.
	MaxMessage int64
	// MaxFrame is the size of the largest frame accepted, in bytes; 0 means no limit but
	// MaxMessage.
	MaxFrame int64
	// Fragment is the size of the largest frame that is sent, in bytes; 0 means no limit.
	// Without one, compressed messages of more than 64 KiB are sent in several frames, all
	// others in one.
	Fragment int
	// QueueBytes and QueueMessages bound what waits for the peer; 0 means 1 MiB, and any
	// number of messages. Send fails with app.ErrQueueFull when a bound is reached; so the
	// bytes may exceed theirs by one message.
	QueueBytes, QueueMessages int

	// KeepAlive is the silence after which the peer is sent a ping; 0 means 60 s, negative
	// never. PongTimeout is the further silence after which the connection fails; 0 means
	// 20 s.
	KeepAlive, PongTimeout time.Duration
	// MessageTimeout is the time from the first frame of a message to its last byte; 0
	// means 5 min, negative no limit. Beyond it the socket is closed with 1008. The time
	// in which a future of Message or Piece is pending does not count.
	MessageTimeout time.Duration
	// IdleTimeout is the time without a message in either direction after which the socket
	// is closed with 1001; 0 means no limit.
	IdleTimeout time.Duration
	// CloseTimeout is the time for the peer's part of the closing handshake; 0 means 5 s.
	CloseTimeout time.Duration

	made atomic.Pointer[any] // by the server
}

// Compression has the options of permessage-deflate. The zero value accepts and offers it
// without context takeover, so that it costs an idle socket no memory.
type Compression struct {
	// Off declines it, and does not offer it.
	Off bool
	// ServerContext and ClientContext let messages of the server, or of the client, refer
	// to earlier ones. Small similar messages shrink a lot more; a socket holds up to 8 KiB
	// for its own messages, and a window of up to 32 KiB for those of the peer.
	ServerContext, ClientContext bool
	// ServerWindowBits and ClientWindowBits bound the windows, from 9 to 15; 0 means 15.
	ServerWindowBits, ClientWindowBits uint8
	// MaxRatio is the largest ratio of a message of more than 1 MiB to its compressed size;
	// 0 means 100, negative no limit. A larger one closes with 1009.
	MaxRatio int
	// MinSize is the size in bytes from which messages are compressed; 0 means 128,
	// negative never: then only the peer compresses.
	MinSize int
}

// Kind is the kind of a message.
type Kind uint8

// The kinds of messages (RFC 6455 section 5.6). Received text is valid UTF-8.
const (
	Text   Kind = 1
	Binary Kind = 2
)

// Message is a whole message. Data is the application's, unless Endpoint.Lend is set.
type Message struct {
	Kind Kind
	Data []byte
}

// Text returns a copy of Data as a string.
func (m Message) Text() string { return string(m.Data) }

// Piece is a part of a message. Data is borrowed until the callback returns. A piece of a
// text may end within a character. A small message that arrives at once is one piece that
// is First and Final.
type Piece struct {
	Kind         Kind
	First, Final bool
	Data         []byte
}

// Close codes (RFC 6455 section 7.4.1). Those of applications are 4000 to 4999.
const (
	CloseNormal          = 1000
	CloseGoingAway       = 1001
	CloseProtocolError   = 1002
	CloseUnsupportedData = 1003
	CloseNoStatus        = 1005 // the peer sent no code; never sent
	CloseAbnormal        = 1006 // the connection was lost; never sent
	CloseInvalidPayload  = 1007
	ClosePolicyViolation = 1008
	CloseTooBig          = 1009
	CloseInternalError   = 1011
	CloseTryAgainLater   = 1013
)

const (
	defaultQueueBytes = 1 << 20
	defaultKeepAlive  = 60 * time.Second
)

// queueLimits returns QueueBytes and QueueMessages with their defaults.
func (e *Endpoint) queueLimits() (bytes, messages int) {
	if e.QueueBytes > 0 {
		return e.QueueBytes, e.QueueMessages
	}
	return defaultQueueBytes, e.QueueMessages
}

// pingAfter returns KeepAlive with its default; 0 is never.
func (e *Endpoint) pingAfter() time.Duration {
	if e.KeepAlive == 0 {
		return defaultKeepAlive
	}
	return max(e.KeepAlive, 0)
}
