//go:build linux

package reactor

import (
	"crypto/tls"
	"net"
	"time"
)

// filter is a layer between the socket and the session of a connection: TLS, or the header of the PROXY
// protocol. Its methods are called on the connection's loop, which they own, and must not block. A filter may
// have goroutines, which reach the loop through a filterWaker only, so that the connection can move to another
// engine or Loop.
//
// The session is opened once every filter is established. Until then Config.HandshakeTimeout applies.
type filter interface {
	// receive takes bytes from the socket; nil when the filter was woken or has work left. It passes
	// plaintext to deliver, any number of times. raw is borrowed until receive returns, plain until deliver
	// returns. The filter keeps what it cannot decode yet.
	//
	// io.EOF reports that the stream has ended by close_notify, ErrTruncated that it has ended without:
	// the session is told of both as of a FIN, and may still answer. After any other error receive is not
	// called again, and the connection is closed once pending output, such as an alert, is written.
	receive(raw []byte, deliver func(plain []byte)) error

	// unfinished reports whether receive has left work for another turn and called Conn.Yield. In that turn
	// it is called with nil.
	unfinished() bool

	// transmit appends the wire format of plain to dst. It is called only if the filter is established.
	transmit(dst, plain []byte) ([]byte, error)

	// pending appends all output of the filter itself (handshake records, alerts, key updates) to dst. It is
	// called after each receive.
	pending(dst []byte) []byte

	// established reports whether plaintext may flow. It stays true unless the filter fails.
	established() bool

	// begun reports whether the peer has sent anything.
	begun() bool

	// eof is called at the peer's FIN. Its only error is ErrTruncated. later reports that the filter still
	// works on what came before the FIN; receive will report the end of the stream.
	eof() (later bool, err error)

	// appendCloseNotify appends what ends the stream (close_notify) to dst. It is called once, behind the last byte of
	// output.
	appendCloseNotify(dst []byte) []byte

	// closed is the last call. It ends the goroutines of the filter. err is what Session.Closed is told.
	closed(err error)
}

// filterWaker wakes the filter of a connection from any goroutine. It keeps no memory of the connection alive, does
// nothing once that is closed, and follows it to another Loop.
type filterWaker struct{ handle Handle }

// wake has the filter's receive called with nil on the connection's loop, and its pending output written.
func (w filterWaker) wake() {
	w.handle.Post((*Conn).runFilter)
}

// filterWaker returns the waker of c's filter. On the loop.
func (c *Conn) filterWaker() filterWaker { return filterWaker{c.Handle()} }

// replaceFilter puts next, or no filter if nil, in the place of the current filter, which is not called any more.
// rest is input behind the current filter's own; next receives it as if it came from the socket. rest is
// borrowed until receive returns. Called by the current filter's receive only, as its last statement.
func (c *Conn) replaceFilter(next filter, rest []byte) {
	c.filter = next
	c.ensureRare().unread = rest
}

// setPeer records the addresses that a PROXY header names. On the loop, before the session opens.
func (c *Conn) setPeer(remote, local net.Addr) {
	r := c.ensureRare()
	r.remote, r.local = remote, local
}

// newFilter returns the first filter of a connection that was accepted on ln; nil if it needs none.
func newFilter(c *Conn, ln *listener) filter {
	switch {
	case ln.config.ProxyProtocol != ProxyOff:
		return newProxyFilter(c) // a TLS filter takes its place behind the header
	case ln.config.TLS != nil:
		return newTLSFilter(c, ln.config.TLS)
	default:
		return nil
	}
}

// tlsReporter is a filter that has a TLS connection.
type tlsReporter interface {
	connectionState() *tls.ConnectionState // nil until established
}

// HandshakeTimeoutDefault is the default of Config.HandshakeTimeout: far more than a slow phone needs for a TLS
// handshake, and short enough that silent sockets do not pile up.
const HandshakeTimeoutDefault = 10 * time.Second
