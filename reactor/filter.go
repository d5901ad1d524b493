//go:build linux

package reactor

import (
	"crypto/tls"
	"net"
	"time"
)

// filter is a layer between the socket and the session of a connection: TLS, or the header of the PROXY
// protocol. Its methods are called on the loop, owned, and must not block. A filter may have goroutines; they
// reach the loop only through a filterWaker, so that the connection can move to another engine or Loop.
//
// The session is opened once every filter is established. Until then Config.HandshakeTimeout applies.
type filter interface {
	// receive takes bytes from the socket; raw is nil if the filter was woken or has work left. It passes
	// plaintext to deliver, any number of times. raw is borrowed until receive returns, plain until deliver
	// returns. The filter keeps input that it cannot decode yet.
	//
	// io.EOF reports the end of the stream by close_notify, ErrTruncated its end without. For both,
	// Session.EOF is called, and the session may still answer. After any other error receive is not
	// called again, and the connection is closed after pending output, such as an alert, was written.
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

	// begun reports whether the peer has sent a byte.
	begun() bool

	// eof handles the peer's FIN. Its only error is ErrTruncated. later reports that the filter still has
	// input from before the FIN; receive will return the end of the stream.
	eof() (later bool, err error)

	// appendCloseNotify appends the end of the stream (close_notify) to dst. It is called once, after all other
	// output.
	appendCloseNotify(dst []byte) []byte

	// closed is the last call. It ends the goroutines of the filter. err is the error of Session.Closed.
	closed(err error)
}

// filterWaker wakes the filter of a connection, on whichever Loop it is. It keeps no memory of the connection alive,
// and has no effect once the connection is closed. On any goroutine.
type filterWaker struct{ handle Handle }

// wake has the filter's receive called with nil on the connection's loop, and its pending output written.
func (w filterWaker) wake() {
	w.handle.Post((*Conn).runFilter)
}

// filterWaker returns the waker of c's filter. On the loop.
func (c *Conn) filterWaker() filterWaker { return filterWaker{c.Handle()} }

// replaceFilter replaces the current filter by next, or by none if nil; the current one gets no further call. rest is
// the input after the current filter's own, borrowed until receive returns; next receives it like input from the
// socket. Only receive of the current filter may call it, as its last statement.
func (c *Conn) replaceFilter(next filter, rest []byte) {
	c.filter = next
	c.ensureRare().unread = rest
}

// setPeer records the addresses of a PROXY header. On the loop, before the session opens.
func (c *Conn) setPeer(remote, local net.Addr) {
	r := c.ensureRare()
	r.remote, r.local = remote, local
}

// newFilter returns the first filter of a connection that was accepted on ln; nil if it needs none.
func newFilter(c *Conn, ln *listener) filter {
	switch {
	case ln.config.ProxyProtocol != ProxyOff:
		return newProxyFilter(c) // a TLS filter replaces it after the header
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
// handshake, and short enough to bound the number of silent connections.
const HandshakeTimeoutDefault = 10 * time.Second
