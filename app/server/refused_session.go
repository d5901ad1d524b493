//go:build linux

package server

import "github.com/gatewheel/gatewheel/reactor"

// Output of refused connections.
const (
	// busyHTTP1 is for HTTP/1 clients. HTTP/2 clients over cleartext fail at once when they read it.
	busyHTTP1 = "HTTP/1.1 503 Service Unavailable\r\n" +
		"Retry-After: 1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: 42\r\n" +
		"Connection: close\r\n\r\n" +
		"too many connections, try again in a while"

	// goaway is an empty SETTINGS frame, which RFC 9113 section 3.4 requires first, and a GOAWAY frame up to its code.
	goaway = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00"

	// busyHTTP2 is a GOAWAY with NO_ERROR and no processed stream, after which clients may repeat every request (RFC
	// 9113 section 8.7).
	busyHTTP2          = goaway + "\x00\x00\x00\x00"
	inadequateSecurity = goaway + "\x00\x00\x00\x0c"
)

// refusedSession is the session of a refused connection: it sends output, then closes. Input is ignored.
type refusedSession struct {
	conn   *reactor.Conn
	output string
}

var _ reactor.Session = (*refusedSession)(nil)

// refuseConnection counts c, which exceeds Config.MaxConnections, and returns its session: 503 over HTTP/1, GOAWAY over
// HTTP/2 with TLS. On its loop.
func (s *Server) refuseConnection(c *reactor.Conn) reactor.Session {
	loopOf.Get(c.Loop()).refused(ConnectionLimit, c, nil)
	r := &refusedSession{conn: c, output: busyHTTP1}
	if state := c.TLS(); state != nil && state.NegotiatedProtocol == "h2" {
		r.output = busyHTTP2
	}
	c.Touch()
	return r
}

// Receive implements reactor.Session. Input is ignored.
func (r *refusedSession) Receive(in []byte) int { return len(in) }

// Transmit implements reactor.Session.
func (r *refusedSession) Transmit(dst []byte, _ int) []byte {
	dst = append(dst, r.output...)
	r.output = ""
	r.conn.Linger()
	return dst
}

// EOF implements reactor.Session.
func (r *refusedSession) EOF() bool { return false }

// Timeout implements reactor.Session.
func (r *refusedSession) Timeout() { r.conn.Close() }

// Closed implements reactor.Session.
func (r *refusedSession) Closed(error) {}

// drain implements drainer.
func (r *refusedSession) drain() {}
