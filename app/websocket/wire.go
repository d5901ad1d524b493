package websocket

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/gatewheel/gatewheel/app"
)

// wire is spi.Wire, fence spi.Guard, budget spi.Budget, memory spi.Memory
// and spawner spi.Spawner: package spi, which says what they mean, imports this one.
type wire = interface {
	Loop() app.Loop
	Home() app.Loop
	Conn() *app.ConnInfo
	Send(kind Kind, p []byte) (queued int, err error)
	SendPrepared(p *Prepared, limit int) (queued int, err error)
	Begin(kind Kind) error
	Write(p []byte) (queued int, err error)
	End() (queued int, err error)
	Ping(payload []byte) error
	Close(code int, reason string) error
	Queued() (bytes, messages int)
	AwaitDrain(low int)
	Resume()
	Fail(err error)
}

type (
	fence interface {
		Enter() bool
		Leave()
	}
	budget interface {
		Charge(units int)
		Spent() bool
	}
	memory interface {
		Reserve(least, most int) int
		Release(n int)
	}
	spawner interface {
		Go(f func())
		Park()
		Unpark()
	}
)

// touch calls f between Enter and Leave of loop, unless the caller has lost loop. f must
// not run user code.
func touch(loop app.Loop, f func()) {
	if g, ok := loop.(fence); ok {
		if !g.Enter() {
			return
		}
		defer g.Leave()
	}
	f()
}

// ErrClosed is the error of sending to a socket that is closing or closed.
var ErrClosed = errors.New("websocket: the WebSocket is closed")

// ErrText is the error of sending a text message that is not UTF-8.
var ErrText = errors.New("websocket: a text message that is not UTF-8")

// ErrClose is the error of a Close whose code may not be sent, or whose reason is longer
// than 123 bytes or not UTF-8.
var ErrClose = errors.New("websocket: a close code or reason that cannot be sent")

// Closed is the way in which a socket ended.
type Closed struct {
	// Code is that of the peer's Close frame, CloseNoStatus if it had none. Without a
	// frame it is the code with which this side failed the connection, or CloseAbnormal
	// if the connection was lost.
	Code int
	// Reason is the peer's reason, or that for which this side failed the connection.
	Reason string
	// Err is nil if the peer sent a Close frame.
	Err error
}

// Error implements error: a Closed is the error of reading from a closed socket.
func (c Closed) Error() string {
	text := fmt.Sprintf("websocket: the WebSocket is closed with %d", c.Code)
	if c.Reason != "" {
		text += " (" + c.Reason + ")"
	}
	return text
}

// Unwrap returns Err.
func (c Closed) Unwrap() error { return c.Err }

// Is reports whether target is ErrClosed.
func (c Closed) Is(target error) bool { return target == ErrClosed }

// opened starts the application after the opening handshake. Servers call it and the
// following methods on the loop as user code. An error is a failure of the application:
// the server reports it and closes with 1011.
func (s *Socket) opened(r *app.Request) (err error) {
	defer contained(&err)
	if s.endpoint.Serve != nil {
		s.serve()
	} else if open := s.endpoint.Open; open != nil {
		open(s, r)
	}
	return nil
}

// receive handles a piece of a message; p is borrowed. If more is false the next piece
// must wait for Wire.Resume.
func (s *Socket) receive(kind Kind, p []byte, first, final bool) (more bool, err error) {
	defer contained(&err)
	var f app.Future[app.Done]
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
		s.releaseMessage()
		return true, failure(err)
	}
	return s.await(f)
}

// releaseMessage returns the memory reserved for a message that the application is done
// with.
func (s *Socket) releaseMessage() {
	if s.extra != nil {
		s.extra.message.release(s.wire)
	}
}

// await makes the server wait for a callback's future, unless another goroutine has
// settled it meanwhile.
func (s *Socket) await(f app.Future[app.Done]) (more bool, err error) {
	waiting := false
	f.Done(func(_ app.Done, e error) {
		s.releaseMessage()
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

// assemble collects the pieces of a message. The result is the application's, unless the
// message came in one piece and is lent.
func (s *Socket) assemble(p []byte, first, final bool) (whole []byte, ok bool) {
	switch {
	case first && final && s.endpoint.Lend:
		return p, true
	case first && final:
		return append(make([]byte, 0, len(p)), p...), true
	}
	x := s.more()
	if err := x.message.add(s.wire, p); err != nil {
		x.message.release(s.wire)
		_ = s.wire.Close(CloseTryAgainLater, "too many incomplete messages") // or it is closing already
		return nil, false
	}
	if !final {
		return nil, false
	}
	return x.message.take(), true
}

// failure returns err, or nil if the socket is closed already.
func failure(err error) error {
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// ponged handles a pong; payload is borrowed.
func (s *Socket) ponged(payload []byte) (err error) {
	if s.endpoint.Pong == nil {
		return nil
	}
	defer contained(&err)
	s.endpoint.Pong(s, payload)
	return nil
}

// end ends the socket. It is the last call.
func (s *Socket) end(c Closed) (err error) {
	defer contained(&err)
	s.ended = true
	s.leaveRooms()
	s.dropDeferred()
	s.releaseMessage()
	if x := s.extra; x != nil && x.conn != nil {
		x.conn.end(c)
	}
	s.endContext(c)
	if s.extra != nil {
		s.extra.endings.End(c)
	}
	if s.endpoint.Close != nil {
		defer s.endpoint.Close(s, c)
	}
	s.settleDrain(c)
	return nil
}

// contained turns a panic into an error. It must be deferred.
func contained(err *error) {
	if v := recover(); v != nil {
		*err = &app.PanicError{Value: v, Stack: debug.Stack()}
	}
}
