package websocket

import (
	"context"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// Socket is one WebSocket. Its methods belong on its loop, in callbacks and
// continuations, unless they say otherwise. Messages are sent in order, at the end of the
// loop's turn: there is no flush.
type Socket struct {
	wire     wire
	endpoint *Endpoint
	state    any
	life     atomic.Pointer[lifetime]
	rooms    *membership
	extra    *socketExtra
	protocol int16 // place in the endpoint's; -1: none
	ended    bool
}

// socketExtra is the part of a socket that an idle one does not need, unless it is
// served by a goroutine.
type socketExtra struct {
	message   assembly   // the message being received, or held by the application
	drained   *promise   // settled when the queue has drained; nil if nobody waits
	streaming *Writer    // the message being sent in parts
	deferred  []deferred // messages that wait for its end
	conn      *Conn      // of Endpoint.Serve
	endings   ending.List
	protocol  string // one that is not the endpoint's
}

// The marks of a socket's queue in bytes: above the high one the futures of sending are
// pending, until the low one is reached.
const (
	socketHigh = 64 << 10
	socketLow  = 16 << 10
)

func (s *Socket) more() *socketExtra {
	if s.extra == nil {
		s.extra = &socketExtra{}
	}
	return s.extra
}

// State returns the state that was passed to AcceptWith, or with the request that opened
// the socket. Any goroutine.
func (s *Socket) State() any { return s.state }

// Protocol returns the chosen subprotocol, "" if there is none. Any goroutine.
func (s *Socket) Protocol() string {
	switch {
	case s.protocol >= 0:
	case s.extra != nil:
		return s.extra.protocol
	default:
		return ""
	}
	return s.endpoint.Protocols[s.protocol]
}

// Conn returns a description of the connection, made for each call.
func (s *Socket) Conn() *app.ConnInfo { return s.wire.Conn() }

// Loop returns the socket's loop. To send from another goroutine, post a function that
// sends, or use a Room. Any goroutine.
func (s *Socket) Loop() app.Loop { return s.wire.Loop() }

// Context returns a context that ends with the socket. Its cause is a Closed, or
// ErrClosed if Context is called only afterwards. Any goroutine.
func (s *Socket) Context() context.Context {
	if s.life.Load() == nil {
		s.life.CompareAndSwap(nil, newLifetime())
	}
	return s.life.Load().ctx
}

// lifetime is made by the first call of Context.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newLifetime() *lifetime {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &lifetime{ctx, cancel}
}

func (s *Socket) endContext(cause Closed) {
	if !s.life.CompareAndSwap(nil, socketOver) {
		s.life.Load().cancel(cause)
	}
}

// socketOver is the lifetime of sockets that had ended before the first call of Context.
var socketOver = func() *lifetime {
	l := newLifetime()
	l.cancel(ErrClosed)
	return l
}()

// Send sends a message; p is copied. The future is ready if no more than 64 KiB wait for
// the peer, and otherwise pending until 16 KiB are left. Errors of a ready future, whose
// message was not queued: app.ErrQueueFull beyond the endpoint's limits, ErrText, ErrClosed.
// If a pending one fails with ErrClosed the message was queued and may not have arrived.
func (s *Socket) Send(kind Kind, p []byte) app.Future[app.Done] {
	if s.isStreaming() {
		return s.postpone(deferred{kind: kind, data: append([]byte(nil), p...)}, noLimit)
	}
	return s.sent(s.wire.Send(kind, p))
}

// SendText is Send of a text message.
func (s *Socket) SendText(text string) app.Future[app.Done] {
	return s.Send(Text, []byte(text))
}

// SendPrepared is Send for a prepared message.
func (s *Socket) SendPrepared(p *Prepared) app.Future[app.Done] {
	if s.isStreaming() {
		return s.postpone(deferred{prepared: p}, noLimit)
	}
	return s.sent(s.wire.SendPrepared(p, noLimit))
}

const noLimit = int(^uint(0) >> 1)

// sent returns the future of Send after queued bytes wait for the peer.
func (s *Socket) sent(queued int, err error) app.Future[app.Done] {
	if err != nil || queued <= socketHigh {
		return app.Failed[app.Done](err)
	}
	return s.drain()
}

func (s *Socket) drain() app.Future[app.Done] {
	x := s.more()
	if x.drained == nil {
		x.drained = newPromise(s.wire.Loop())
		s.wire.AwaitDrain(socketLow)
	}
	return x.drained.Future()
}

func (s *Socket) settleDrain(err error) {
	if s.extra == nil || s.extra.drained == nil {
		return
	}
	waiting := s.extra.drained
	s.extra.drained = nil
	core.SettleHere(waiting, err)
}

// Queued returns the number of bytes that wait for the peer, and of messages if the
// endpoint limits them (QueueMessages), otherwise 0. What is in the buffers of the
// connection does not count, and text that is still to be compressed counts with its own
// size.
func (s *Socket) Queued() (bytes, messages int) { return s.wire.Queued() }

// Drained returns a future that is ready when no more than 16 KiB wait for the peer. It
// fails with ErrClosed.
func (s *Socket) Drained() app.Future[app.Done] {
	if s.ended {
		return app.Failed[app.Done](ErrClosed)
	}
	if bytes, _ := s.wire.Queued(); bytes <= socketLow {
		return app.Ready(app.Done{})
	}
	return s.drain()
}

// Ping sends a ping with up to 125 bytes of payload. Endpoint.KeepAlive does so
// by itself.
func (s *Socket) Ping(payload []byte) error { return s.wire.Ping(payload) }

// Close starts the closing handshake (RFC 6455 section 7.1.2) after what is queued, with a
// code such as CloseNormal and a reason of up to 123 bytes. Messages that still arrive are
// dropped. Endpoint.Close is called when the handshake is over. The errors are ErrClose and
// ErrClosed.
func (s *Socket) Close(code int, reason string) error {
	if !isCloseable(code, reason) {
		return ErrClose
	}
	err := s.wire.Close(code, reason)
	if err == nil {
		s.dropDeferred()
	}
	return err
}

// isCloseable reports whether a Close frame may carry code and reason.
// RFC 6455 sections 5.5 and 7.4.
func isCloseable(code int, reason string) bool {
	switch {
	case len(reason) > 123 || !utf8.ValidString(reason):
		return false
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// Prepared is a message for many sockets: checked once, and compressed once for each
// size of window among them. Any goroutine.
type Prepared struct {
	kind Kind
	data []byte
	made atomic.Pointer[any] // by the server
}

// Prepare returns a message for many sockets. data must not change any more. It fails with
// ErrText for a text that is not UTF-8.
func Prepare(kind Kind, data []byte) (*Prepared, error) {
	if kind == Text && !utf8.Valid(data) {
		return nil, ErrText
	}
	return &Prepared{kind: kind, data: data}, nil
}

// Kind returns the message's kind.
func (p *Prepared) Kind() Kind { return p.kind }

// Data returns the message. It must not be changed.
func (p *Prepared) Data() []byte { return p.data }

type promise = app.Promise[app.Done]

// newPromise returns a pending promise of loop.
func newPromise(loop app.Loop) *promise {
	p, _ := app.PromisedOn[app.Done](loop)
	return p
}
