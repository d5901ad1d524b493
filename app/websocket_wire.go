package app

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Wire is the server's side of one WebSocket, as Exchange is of a request. All
// methods are called on the loop, from user code, unless they say otherwise.
// They fail with ErrSocketClosed when nothing more can be sent. None of them
// calls back into the Socket.
type Wire interface {
	// Loop is the loop that owns the connection. Any goroutine.
	Loop() Loop
	// Home is the same loop in a form that all its sockets share: they are told
	// apart by ==. It may be a Guard. Any goroutine.
	Home() Loop
	// Conn describes the connection.
	Conn() *ConnInfo
	// Send queues a message and returns how many bytes wait for the peer; p is
	// copied. ErrQueueFull beyond the endpoint's limits; ErrText.
	Send(kind MessageKind, p []byte) (queued int, err error)
	// SendPrepared is Send of a message that was encoded before, with ErrQueueFull
	// also if more than limit bytes wait.
	SendPrepared(p *Prepared, limit int) (queued int, err error)
	// Begin starts a message that Write and End complete; there is no Send until
	// then. ErrQueueFull as for Send from Begin, ErrText from Write and End.
	Begin(kind MessageKind) error
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

// Guard is a Loop, or an Exchange for its loop, that can be taken away from user
// code that blocks it. What app itself keeps for a loop it touches between Enter
// and Leave only. They nest.
type Guard interface {
	// Enter is false when the calling goroutine has lost the loop; then there is
	// no Leave.
	Enter() bool
	Leave()
}

// touch calls f if the caller has loop, and sees that it keeps it meanwhile. f runs
// no user code.
func touch(loop Loop, f func()) {
	if g, ok := loop.(Guard); ok {
		if !g.Enter() {
			return
		}
		defer g.Leave()
	}
	f()
}

// ErrSocketClosed is the failure of sending to a socket that is closing or
// closed.
var ErrSocketClosed = errors.New("app: the WebSocket is closed")

// ErrText is the failure of sending a text message that is not UTF-8.
var ErrText = errors.New("app: a text message that is not UTF-8")

// ErrClose is the failure of a Close whose code may not be sent, or whose reason
// is longer than 123 bytes or not UTF-8.
var ErrClose = errors.New("app: a close code or reason that cannot be sent")

// Closed is how a socket has ended.
type Closed struct {
	// Code is that of the peer's Close frame, CloseNoStatus if it had none. If no
	// frame came it is the code with which the server failed the connection, and
	// CloseAbnormal if it was lost.
	Code int
	// Reason is what the peer gave, or why the server failed the connection.
	Reason string
	// Err is nil if the peer's Close frame came.
	Err error
}

// Error makes a Closed an error, that of reading from a socket that is closed.
func (c Closed) Error() string {
	text := fmt.Sprintf("app: the WebSocket is closed with %d", c.Code)
	if c.Reason != "" {
		text += " (" + c.Reason + ")"
	}
	return text
}

// Unwrap gives Err.
func (c Closed) Unwrap() error { return c.Err }

// Is makes a Closed an ErrSocketClosed.
func (c Closed) Is(target error) bool { return target == ErrSocketClosed }

// Bind connects a socket with the server's side of it. A server embeds Socket by
// value in its session and calls Bind once, before Opened. protocol is one of the
// endpoint's, or empty.
func (s *Socket) Bind(wire Wire, u *Upgrade, protocol string) {
	s.wire, s.endpoint, s.state = wire, u.Endpoint, u.State
	// The text given is a part of the request, which would be kept along with it.
	s.protocol = int16(slices.Index(u.Endpoint.Protocols, protocol))
}

// Endpoint is what Bind was given. For servers.
func (s *Socket) Endpoint() *Endpoint { return s.endpoint }

// Opened tells that the opening handshake is complete. Servers call it, as the
// following methods, on the loop as user code; an error is a failure of the
// application, after which the server reports it and closes with 1011.
func (s *Socket) Opened(r *Request) (err error) {
	defer contained(&err)
	if s.endpoint.Serve != nil {
		s.serve()
	} else if open := s.endpoint.Open; open != nil {
		open(s, r)
	}
	return nil
}

// Receive takes a piece of a message; p is borrowed. When more is false, no
// further piece may come until Wire.Resume.
func (s *Socket) Receive(kind MessageKind, p []byte, first, final bool) (more bool, err error) {
	defer contained(&err)
	var f Future[Done]
	switch e := s.endpoint; {
	case e.Serve != nil:
		return s.more().conn.deliver(kind, p, first, final), nil
	case e.Piece != nil:
		f = e.Piece(s, Piece{Kind: kind, First: first, Final: final, Data: p})
	case e.Message == nil:
		return true, nil
	default:
		whole, ok := s.assemble(p, first, final)
		if !ok {
			return true, nil
		}
		f = e.Message(s, Message{Kind: kind, Data: whole})
	}
	if f.Ready() {
		_, err = f.Result()
		return true, failure(err)
	}
	return s.await(f)
}

// await has the server wait for what a callback has returned. That may be settled
// in between by another goroutine: then there is nothing to wait for.
func (s *Socket) await(f Future[Done]) (more bool, err error) {
	waiting := false
	f.Done(func(_ Done, e error) {
		if e = failure(e); !waiting {
			more, err = true, e
			return
		}
		if e != nil {
			s.wire.Fail(e)
		}
		s.wire.Resume()
	})
	waiting = true
	return more, err
}

// assemble makes whole messages of pieces. The memory is the application's, but
// for a message that came in one piece and is lent.
func (s *Socket) assemble(p []byte, first, final bool) (whole []byte, ok bool) {
	switch {
	case first && final && s.endpoint.Lend:
		return p, true
	case first && final:
		return append(make([]byte, 0, len(p)), p...), true
	}
	x := s.more()
	x.message = append(x.message, p...)
	if !final {
		return nil, false
	}
	whole, x.message = x.message, nil
	return whole, true
}

// failure is err if it is one that the application has to answer for.
func failure(err error) error {
	if errors.Is(err, ErrSocketClosed) {
		return nil
	}
	return err
}

// Ponged tells of a pong; payload is borrowed.
func (s *Socket) Ponged(payload []byte) (err error) {
	if s.endpoint.Pong == nil {
		return nil
	}
	defer contained(&err)
	s.endpoint.Pong(s, payload)
	return nil
}

// QueueDrained is the answer to Wire.AwaitDrain.
func (s *Socket) QueueDrained() { s.settleDrain(nil) }

// Ended tells that the socket is over; c.Err is not nil if the peer sent no Close
// frame. It is the last call.
func (s *Socket) Ended(c Closed) (err error) {
	defer contained(&err)
	s.ended = true
	s.leaveRooms()
	s.dropDeferred()
	if x := s.extra; x != nil && x.conn != nil {
		x.conn.end(c)
	}
	s.endContext(c)
	if s.extra != nil {
		s.extra.endings.end(c)
	}
	if s.endpoint.Close != nil {
		defer s.endpoint.Close(s, c)
	}
	s.settleDrain(c)
	return nil
}

// contained makes a panic an error.
func contained(err *error) {
	if v := recover(); v != nil {
		*err = panicked(v)
	}
}

// Binding is where a server keeps what it has made of something that is shared
// by many connections. Any goroutine.
type Binding struct{ value atomic.Pointer[any] }

// Load returns what is kept, nil at first.
func (b *Binding) Load() any {
	if v := b.value.Load(); v != nil {
		return *v
	}
	return nil
}

// LoadOrStore keeps v if nothing is kept yet, and returns what is kept.
func (b *Binding) LoadOrStore(v any) any {
	if b.value.CompareAndSwap(nil, &v) {
		return v
	}
	return *b.value.Load()
}
