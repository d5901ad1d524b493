// Package websocket answers with WebSockets (RFC 6455), over HTTP/1.1 and HTTP/2: by
// callbacks on the loop, or in a goroutine for each socket.
package websocket

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Accept answers by accepting a WebSocket (RFC 6455) at that endpoint: with
// 101 over HTTP/1.1, with 200 over HTTP/2 (RFC 8441). The response's fields go
// along. A request that is no proper opening handshake, or comes from a foreign
// origin, gets another response from the server and no callback is called. To
// decline, return another response.
//
//	var echo = &websocket.Endpoint{
//		Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
//			return s.Send(m.Kind, m.Data)
//		},
//	}
//
//	func handle(*app.Request) app.Future[*app.Response] {
//		return app.Ready(websocket.Accept(echo))
//	}
func Accept(e *Endpoint) *app.Response { return AcceptWith(e, nil) }

// AcceptWith is Accept with a state of the application's own, which
// Socket.State returns.
func AcceptWith(e *Endpoint, state any) *app.Response {
	// In one object: two would leave holes among what a connection keeps.
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
	// Protocol is the subprotocol, in place of a choice among Endpoint.Protocols. It is
	// left out if the client has not offered it.
	Protocol string
}

// Offered returns the subprotocols that the request offers, the one that the client
// likes best first: for handlers that choose themselves and set Upgrade.Protocol.
// Any goroutine.
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

// Length is unknown.
func (*Upgrade) Length() int64 { return -1 }

// Endpoint is what an application does with WebSockets of one kind, and within
// which limits. One serves any number of sockets; it must not change once the
// first is open, and must not be copied.
//
// Either the callbacks are set or Serve is. Callbacks run on the socket's loop,
// one at a time, and must not block. A panic closes the socket with 1011 and is
// logged.
type Endpoint struct {
	// Open is called first. The request may be kept, at the price of its memory;
	// nothing else keeps it.
	Open func(s *Socket, r *app.Request)
	// Message is called for each message. The next one is taken from the peer
	// when the future is ready, so that `return s.Send(...)` lets a peer that
	// reads slowly stop itself. A failure but ErrClosed closes the socket
	// with 1011.
	Message func(s *Socket, m Message) app.Future[app.Done]
	// Lend makes Message's Data borrowed: it is valid until the callback returns
	// and no longer. That saves the one allocation that a message costs, for
	// those who send it on or decode it at once.
	Lend bool
	// Piece is called in place of Message with the pieces of messages as they
	// arrive, for messages that are too large for memory. Futures are as in
	// Message.
	Piece func(s *Socket, p Piece) app.Future[app.Done]
	// Pong is called for each pong, solicited or not; payload is borrowed.
	Pong func(s *Socket, payload []byte)
	// Close is called last, exactly once, also when Open has panicked.
	Close func(s *Socket, c Closed)

	// Serve handles one socket in a goroutine of its own, which may block. ctx
	// ends with the socket. When Serve returns nil the socket is closed with
	// 1000, behind what was written; an error that is a Closed names code and
	// reason; any other error, or a panic, is logged and closes with 1011.
	Serve func(ctx context.Context, c *Conn) error

	// Protocols are the subprotocols that are supported (RFC 6455 section 1.9).
	// The client's first that is among them is chosen; none: there is none.
	Protocols []string
	// Origins are those whose pages may connect besides the host's own:
	// "https://example.org", "https://*.example.org" for its subdomains, "*" for
	// all. Clients that send no Origin are no browsers and may always.
	Origins []string
	// Compression says how permessage-deflate (RFC 7692) is negotiated.
	Compression Compression

	// MaxMessage is the largest message that is accepted, in bytes after
	// decompression; 0 is 16 MiB. A larger one closes with 1009.
	MaxMessage int64
	// MaxFrame is the largest frame that is accepted, in bytes; 0 is MaxMessage.
	MaxFrame int64
	// Fragment cuts what is sent into frames of so many bytes at most; 0 sends a
	// message in one frame.
	Fragment int
	// QueueBytes and QueueMessages bound what waits for the peer. A message is
	// taken while less waits, so the bytes may exceed their limit by one message;
	// beyond, Send fails with ErrQueueFull. 0 is 1 MiB, and any number of
	// messages.
	QueueBytes, QueueMessages int

	// KeepAlive is the silence of the peer after which it is sent a ping; 0 is
	// 60 s, negative is never. PongTimeout is how much longer it may be silent
	// then; 0 is 20 s.
	KeepAlive, PongTimeout time.Duration
	// MessageTimeout closes with 1008 when a message has not come whole for so long
	// since its first frame; 0 is 5 min, negative is never. Time for which Message or
	// Piece holds the peer back does not count.
	MessageTimeout time.Duration
	// IdleTimeout closes with 1001 when no message has come or gone for so long;
	// 0 is never.
	IdleTimeout time.Duration
	// CloseTimeout is how long the peer may take for its part of the closing
	// handshake; 0 is 5 s.
	CloseTimeout time.Duration

	made atomic.Pointer[any] // by the server
}

// Compression says how permessage-deflate is negotiated. The zero value accepts
// it without context takeover, which costs an idle socket no memory.
type Compression struct {
	// Off declines it.
	Off bool
	// ServerContext and ClientContext let messages of that direction refer to
	// earlier ones: small messages that resemble each other shrink a lot more,
	// and a socket holds up to 8 KiB for the first and a window (32 KiB at most)
	// for the second.
	ServerContext, ClientContext bool
	// ServerWindowBits and ClientWindowBits bound the windows, 9 to 15; 0 is 15.
	ServerWindowBits, ClientWindowBits uint8
	// MaxRatio is how many times its compressed size a message of more than 1 MiB may
	// have; 0 is 100, negative is any. One beyond closes with 1009.
	MaxRatio int
	// MinSize is the size in bytes from which messages are compressed; 0 is 128,
	// negative is never: then only what comes may be compressed.
	MinSize int
}

// Kind tells text from binary data.
type Kind uint8

// The kinds of messages (RFC 6455 section 5.6). Text is UTF-8; what comes has been
// checked.
const (
	Text   Kind = 1
	Binary Kind = 2
)

// Message is a whole message. Data is the application's own, unless the endpoint
// says Lend.
type Message struct {
	Kind Kind
	Data []byte
}

// Text is Data as a string, a copy.
func (m Message) Text() string { return string(m.Data) }

// Piece is a part of a message. Data is borrowed until the callback returns; a
// piece of a text may be cut within a character. A message that arrived in one
// read comes as one piece that is First and Final.
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
	CloseNoStatus        = 1005 // the peer gave no code; never sent
	CloseAbnormal        = 1006 // the connection was lost; never sent
	CloseInvalidPayload  = 1007
	ClosePolicyViolation = 1008
	CloseTooBig          = 1009
	CloseInternalError   = 1011
	CloseTryAgainLater   = 1013
)
