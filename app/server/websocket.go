//go:build linux

package server

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/ws"
)

// upgrade accepts a WebSocket, or answers with the status and reason of its refusal. On an error nothing was queued.
func (x *exchange) upgrade(r *app.Response, u *websocket.Upgrade) error {
	hello, refusal := x.handshake()
	reason := WebSocketHandshake
	if refusal == nil && !ws.OriginAllowed(hello.Origin, x.Client().Host, u.Endpoint.Origins) {
		// RFC 6455 section 4.2.2: 403 for an origin that is not allowed.
		refusal, reason = app.Error(403, "pages of the origin "+hello.Origin+" may not open a WebSocket here"), WebSocketOrigin
	}
	if refusal != nil {
		text, _ := refusal.Content.(app.Bytes)
		x.endsFor(reason)
		x.loop.server.refusedRequest(reason, x, errors.New(strings.TrimSpace(string(text))))
		return x.respond(refusal)
	}
	t := endpointOptionsOf(u.Endpoint)
	supported := u.Endpoint.Protocols
	if u.Protocol != "" {
		supported = []string{u.Protocol}
	}
	protocol := ws.ChooseProtocol(hello.Protocols, supported)
	ext, extensions := t.deflate.Answer(hello.Extensions)
	fields := app.Fields(ws.AnswerFields(&hello, protocol, extensions))
	if len(r.Fields) > 0 {
		fields = append(r.Fields.Clone(len(fields)), fields...)
	}
	s, err := x.server().upgrade(x, fields)
	if err != nil {
		return err
	}
	x.outcome = Upgraded
	s.begin(x.loop, x.conn, x.Protocol, ws.Server, t, ext)
	s.takePeer(x)
	s.observe(x)
	s.user.Bind((*wire)(s), u, protocol)
	s.opened(&x.Request)
	x.endResponse()
	if x.in != nil {
		x.endInput(app.ErrRequestDone)
	}
	return nil
}

// handshake parses the opening handshake. If it is invalid, it returns the response that refuses it.
func (x *exchange) handshake() (hello ws.Hello, refusal *app.Response) {
	var err error
	switch {
	case x.Protocol == app.HTTP2 && !x.extended:
		// RFC 8441 section 4: there is no Upgrade in HTTP/2.
		return hello, app.Error(400, "over HTTP/2 a WebSocket is opened by an extended CONNECT")
	case x.Protocol == app.HTTP2:
		hello, err = ws.ParseConnect("websocket", x.Fields)
	case x.in != nil:
		return hello, app.Error(400, "a WebSocket's opening handshake has no content")
	default:
		minor := uint8(1)
		if x.Protocol == app.HTTP10 {
			minor = 0
		}
		hello, err = ws.ParseUpgrade(x.Method, minor, x.Fields)
	}
	return hello, refusalOf(err)
}

// refusalOf returns the response to an invalid opening handshake; nil for no error.
func refusalOf(err error) *app.Response {
	if err == nil {
		return nil
	}
	var e *ws.HandshakeError
	if !errors.As(err, &e) {
		return nil
	}
	refusal := app.Error(e.Status, e.Reason)
	refusal.Fields = append(refusal.Fields, e.Fields...)
	return refusal
}

// asGET rewrites an extended CONNECT as the equivalent GET (RFC 8441 section 5), so that routes and handlers need not
// know by which protocol a WebSocket is opened.
func (x *exchange) asGET() {
	x.extended = true
	x.Method = "GET"
	x.ContentLength = 0
	x.Fields = append(x.Fields,
		app.Field{Name: "Connection", Value: "Upgrade"},
		app.Field{Name: "Upgrade", Value: "websocket"})
}

// endpointOptions are the options of an endpoint in the form of package ws. They are made once for each endpoint.
type endpointOptions struct {
	settings      ws.Settings
	deflate       ws.DeflatePolicy
	queueBytes    int
	queueMessages int
}

// largest returns the size in bytes of the largest message.
func (t *endpointOptions) largest() int64 {
	if t.settings.Message > 0 {
		return t.settings.Message
	}
	return ws.DefaultMessage
}

// endpointOptionsOf returns the options of e. Any goroutine.
func endpointOptionsOf(e *websocket.Endpoint) *endpointOptions {
	made := spi.EndpointSlot(e)
	if t := made.Load(); t != nil {
		return (*t).(*endpointOptions)
	}
	bytes, messages := spi.QueueLimits(e)
	c := e.Compression
	return keep(made, &endpointOptions{
		settings: ws.Settings{
			Message:        e.MaxMessage,
			Frame:          e.MaxFrame,
			Fragment:       e.Fragment,
			CompressFrom:   c.MinSize,
			KeepAlive:      spi.PingAfter(e),
			PongTimeout:    e.PongTimeout,
			Idle:           e.IdleTimeout,
			MessageTimeout: e.MessageTimeout,
			Ratio:          c.MaxRatio,
			CloseTimeout:   e.CloseTimeout,
		},
		deflate: ws.DeflatePolicy{
			Off:              c.Off,
			ServerContext:    c.ServerContext,
			ClientContext:    c.ClientContext,
			ServerWindowBits: c.ServerWindowBits,
			ClientWindowBits: c.ClientWindowBits,
		},
		queueBytes:    bytes,
		queueMessages: messages,
	})
}

// preparedOf returns a message as package ws encodes it, once for each message. Any goroutine.
func preparedOf(p *websocket.Prepared) (*ws.Prepared, error) {
	made := spi.PreparedSlot(p)
	if encoded := made.Load(); encoded != nil {
		return (*encoded).(*ws.Prepared), nil
	}
	encoded, err := ws.Prepare(ws.Opcode(p.Kind()), p.Data())
	if err != nil {
		return nil, socketError(err)
	}
	return keep(made, encoded), nil
}

// keep stores v if slot is empty, and returns the value of slot.
func keep[T any](slot *atomic.Pointer[any], v T) T {
	var made any = v
	if slot.CompareAndSwap(nil, &made) {
		return v
	}
	return (*slot.Load()).(T)
}

// socketError returns the error of package websocket for one of package ws.
func socketError(err error) error {
	switch err {
	case ws.ErrClosed:
		return websocket.ErrClosed
	case ws.ErrText:
		return websocket.ErrText
	}
	return err
}
