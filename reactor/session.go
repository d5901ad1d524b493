package reactor

import "errors"

// Session is the protocol on a connection. Its methods are called on the connection's loop, which they own. A
// session that runs application code does so between Loop.Lend and Loop.Reclaim.
type Session interface {
	// Receive takes all input that is unconsumed so far, and returns how many bytes it has consumed. in is
	// borrowed until Receive returns and may be overwritten. The rest is kept and presented again, with
	// more input behind it or when the connection is resumed. A session that cannot go on pauses its
	// connection; otherwise it is taken to need more input.
	Receive(in []byte) (consumed int)

	// Transmit appends output to dst, at most about room bytes, and returns dst. It is called at the end of
	// a turn in which the connection was touched, and again when the peer has taken enough.
	Transmit(dst []byte, room int) []byte

	// EOF is called when the peer has sent its last byte (FIN). The session returns true if output is still
	// to come: the connection then stays for writing. Otherwise it is closed once its output is out.
	EOF() (keep bool)

	// Timeout is called when the deadline set by Conn.SetDeadline has passed.
	Timeout()

	// Closed is the last call and comes exactly once, after the connection was closed. err is nil if the
	// session has asked for that, io.EOF if the peer has left in order, ErrTruncated if it has left a TLS
	// connection without close_notify.
	Closed(err error)
}

// Errors that Session.Closed is told, and that functions of this package return.
var (
	// ErrStalled: code of the connection blocked its loop for longer than Config.StallTimeout.
	ErrStalled = errors.New("reactor: closed because its code stalled the loop")
	// ErrStopped: Reactor.Stop or Reactor.Drain has closed the connection.
	ErrStopped = errors.New("reactor: stopped")
	// ErrClosed: the connection was closed already.
	ErrClosed = errors.New("reactor: connection is closed")
	// ErrHandshakeTimeout: TLS handshake and PROXY header took longer than Config.HandshakeTimeout.
	ErrHandshakeTimeout = errors.New("reactor: handshake took too long")
	// ErrPanic: the connection's session, or this package on its behalf, has panicked.
	ErrPanic = errors.New("reactor: closed after a panic")
	// ErrHungUp: the peer has reset the connection while nothing was read from it.
	ErrHungUp = errors.New("reactor: peer hung up")
)
