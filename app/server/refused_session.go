//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// Output of refused connections.
const (
	// busyHTTP1 is for HTTP/1 clients. HTTP/2 clients over cleartext fail at once when they read it.
	busyHTTP1 = "HTTP/1.1 503 Service Unavailable\r\n" +
		"Retry-After: 1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: 42\r\n" +
		"Connection: close\r\n\r\n" +
		"too many connections, try again in a while"

	// emptySettings is the frame that RFC 9113 section 3.4 requires first.
	emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

	// goaway is that and a GOAWAY frame up to its code.
	goaway = emptySettings + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00"

	// busyHTTP2 is a GOAWAY with NO_ERROR and no processed stream, after which clients may repeat every request (RFC
	// 9113 section 8.7).
	busyHTTP2          = goaway + "\x00\x00\x00\x00"
	inadequateSecurity = goaway + "\x00\x00\x00\x0c"
)

const (
	// stopping is for HTTP/1 clients of a server that stops before it has read their request.
	stopping = "HTTP/1.1 503 Service Unavailable\r\n" +
		"Retry-After: 1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: 40\r\n" +
		"Connection: close\r\n\r\n" +
		"the server is stopping, try again please"
	// canceled are the alerts user_canceled and close_notify before a TLS handshake (RFC 8446 section 6.1).
	canceled = "\x15\x03\x03\x00\x02\x01\x5a" + "\x15\x03\x03\x00\x02\x01\x00"
)

// turnAway returns what a client is told that has waited to be accepted until the server stopped. input is what it has
// sent. Any goroutine.
func turnAway(l *reactor.ListenerConfig, input []byte) []byte {
	switch {
	case l.TLS != nil:
		return []byte(canceled)
	case len(input) > 0 && sniff(input) != protocolHTTP1:
		return []byte(busyHTTP2)
	}
	return []byte(stopping)
}

// refusedSession is the session of a refused connection: it sends output, then closes. Input is ignored.
type refusedSession struct {
	conn   *reactor.Conn
	loop   *loop
	output string
	hurry  bool // the connection closes without a lingering close, which would hold its memory for seconds
}

var _ reactor.Session = (*refusedSession)(nil)

// refuseConnection returns the session of a refused connection. One that exceeds Config.MaxConnections is counted, and gets
// 503 over HTTP/1, GOAWAY over HTTP/2 with TLS. On its loop.
func (s *Server) refuseConnection(c *reactor.Conn) reactor.Session {
	if refusal, wait := c.PeerRefused(); refusal != 0 {
		return s.refusePeer(c, refusal, wait)
	}
	l := loopOf.Get(c.Loop())
	l.refused(ConnectionLimit, c, nil)
	r := &refusedSession{conn: c, loop: l, output: busyHTTP1}
	status, protocol := 503, app.HTTP11
	if state := c.TLS(); state != nil && state.NegotiatedProtocol == "h2" {
		r.output, status, protocol = busyHTTP2, 0, app.HTTP2
	}
	l.refusedConnection(c, protocol, status, ConnectionLimit)
	c.Touch()
	return r
}

// refusedConnection tells the observers of a connection that is refused before a request was read.
func (l *loop) refusedConnection(c *reactor.Conn, protocol string, status int, reason Reason) {
	if len(l.observers) == 0 {
		return
	}
	refused := &served{connection: newConnection(l, c)}
	refused.refusedHead(protocol, 0, status, reason.Ender(), reason.String(), c.KeptInput())
}

// Receive implements reactor.Session. Input is ignored.
func (r *refusedSession) Receive(in []byte) int { return len(in) }

// Transmit implements reactor.Session.
func (r *refusedSession) Transmit(dst []byte, _ int) []byte {
	dst = append(dst, r.output...)
	r.output = ""
	if r.hurry {
		r.conn.CloseFlushed()
	} else {
		r.conn.Linger()
	}
	r.loop.flushEnded()
	return dst
}

// EOF implements reactor.Session.
func (r *refusedSession) EOF() bool { return false }

// Timeout implements reactor.Session.
func (r *refusedSession) Timeout() { r.conn.Close() }

// Closed implements reactor.Session.
func (r *refusedSession) Closed(error) { r.loop.flushEnded() }

// drain implements drainer.
func (r *refusedSession) drain() {}
