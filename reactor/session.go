//go:build linux

package reactor

import "errors"

// Session is the protocol on a connection. All of its methods run on the connection's loop,
// owned; whoever runs code of others in them brackets it with Loop.Lend and Loop.Reclaim.
type Session interface {
	// Receive takes input: everything that is unconsumed so far. in is borrowed until Receive
	// returns, and may be written to. What is not consumed is kept and presented again, with more
	// behind it, or when the connection is resumed. A session that cannot go on pauses its
	// connection; one that does not, and consumes nothing, is understood to need more.
	Receive(in []byte) (consumed int)

	// Transmit appends about room bytes of output at most to dst; dst unchanged: nothing now. It
	// is asked at the end of a turn in which the connection was touched, and again when the peer
	// has taken enough.
	Transmit(dst []byte, room int) []byte

	// EOF says that the peer has sent its last byte (FIN). keep: output is still to come and the
	// connection stays for writing. Without keep it is closed once the output is out.
	EOF() (keep bool)

	// Timeout says that the deadline set by Conn.SetDeadline has passed.
	Timeout()

	// Closed is the last call, made exactly once, with the connection already gone. err is nil
	// when the session itself asked for it, io.EOF when the peer left in order, ErrTruncated when it left
	// TLS without close_notify.
	Closed(err error)
}

var (
	// ErrStalled is what a connection is closed with whose code blocked its loop for longer than
	// Config.StallTimeout.
	ErrStalled = errors.New("reactor: closed because its code stalled the loop")
	// ErrStopped is what a connection is closed with by Reactor.Stop.
	ErrStopped = errors.New("reactor: stopped")
	// ErrClosed says that the connection was gone already.
	ErrClosed = errors.New("reactor: connection is closed")
	// ErrHandshakeTimeout is given for a connection whose TLS handshake or PROXY header did not
	// come in time.
	ErrHandshakeTimeout = errors.New("reactor: handshake took too long")
	// ErrPanic is what a connection is closed with on whose path this package or its session
	// panicked.
	ErrPanic = errors.New("reactor: closed after a panic")
	// ErrHungUp says that the peer reset the connection while nothing was being read.
	ErrHungUp = errors.New("reactor: peer hung up")
)
