//go:build linux

package reactor

import (
	"crypto/tls"
	"net"
	"time"
)

// filter stands between a connection's socket and its session: TLS, or the header of the PROXY
// protocol. Its methods run on the connection's loop, owned, and must not block. A filter may
// use goroutines of its own, which reach the loop through a filterWaker only: so it survives the
// move of its connection to another engine or Loop.
//
// A connection's session is opened once every filter in front of it is established. Until then
// the reactor watches Config.HandshakeTimeout.
type filter interface {
	// receive takes bytes as they were read from the socket, or nil when the filter was woken.
	// It hands plaintext to deliver, as often as it likes. raw is borrowed until receive returns,
	// what deliver is given until deliver returns. The filter keeps what it cannot decode yet.
	// After an error nothing more is received; output that is pending, such as an alert, is
	// written before the connection is closed. io.EOF reports that the stream has ended inside its
	// framing (close_notify), ErrTruncated that it has ended without: the session hears of both as of
	// a FIN, and may still answer.
	receive(raw []byte, deliver func(plain []byte)) error

	// unfinished reports whether receive has left work for another turn, having called Conn.Yield. It is
	// called again then, with nil.
	unfinished() bool

	// transmit appends the wire bytes of plain to dst. It is called only when established.
	transmit(dst, plain []byte) ([]byte, error)

	// pending appends output of the filter's own (handshake records, alerts, key updates) to dst.
	// It is asked after each receive and leaves nothing behind.
	pending(dst []byte) []byte

	// established says that plaintext may flow. Only a failure takes that back.
	established() bool

	// begun reports whether the peer has sent anything.
	begun() bool

	// eof is called at the peer's FIN. ErrTruncated reports that the stream was cut short; it is the only
	// error. later: what came before the FIN is still being worked on, and receive will report the end.
	eof() (later bool, err error)

	// goodbye appends what ends the stream properly (close_notify) to dst, once; it stands behind
	// the last byte of output.
	goodbye(dst []byte) []byte

	// closed is the last call. A goroutine that works for the filter must come to an end. err is
	// what Session.Closed is told.
	closed(err error)
}

// filterWaker calls for a run of a connection's filter from any goroutine. It holds on to nothing
// of the connection, is inert once that is gone, and follows it to another Loop.
type filterWaker struct{ handle Handle }

// wake has the filter's receive called with nil, on the connection's loop, and what it then has
// pending written.
func (w filterWaker) wake() {
	w.handle.Post((*Conn).runFilter)
}

// filterWaker gives what a filter's goroutines need to call back. On the loop.
func (c *Conn) filterWaker() filterWaker { return filterWaker{c.Handle()} }

// replaceFilter puts next (nil: none) in place of the filter that is running, which is not told.
// rest, borrowed, is what the old filter had received of the bytes behind its own; it goes to
// next as if it came from the socket. Only from inside the old filter's receive, as its last act.
func (c *Conn) replaceFilter(next filter, rest []byte) {
	c.filter = next
	c.ensureRare().unread = rest
}

// setPeer records the address that a PROXY header names. On the loop, before the session opens.
func (c *Conn) setPeer(remote, local net.Addr) {
	r := c.ensureRare()
	r.remote, r.local = remote, local
}

// newFilter is the first filter of a connection that was accepted on ln; nil: none.
func newFilter(c *Conn, ln *listener) filter {
	switch {
	case ln.config.ProxyProtocol != ProxyOff:
		return newProxyFilter(c) // which puts the TLS filter in its place once the header is read
	case ln.config.TLS != nil:
		return newTLSFilter(c, ln.config.TLS)
	default:
		return nil
	}
}

// tlsReporter is a filter that can tell of its TLS connection.
type tlsReporter interface {
	connectionState() *tls.ConnectionState // nil until established
}

// HandshakeTimeoutDefault is how long a connection may take until its filters are established:
// far more than a slow phone needs for a TLS handshake, little enough that a crowd of silent
// sockets goes away.
const HandshakeTimeoutDefault = 10 * time.Second
