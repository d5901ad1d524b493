//go:build linux

package server

import "github.com/gatewheel/gatewheel/reactor"

// What is said to a connection that gets no session of its protocol.
const (
	// busy: HTTP/1 clients understand it, and HTTP/2 clients over cleartext fail at once instead of waiting.
	busy = "HTTP/1.1 503 Service Unavailable\r\n" +
		"Retry-After: 1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: 42\r\n" +
		"Connection: close\r\n\r\n" +
		"too many connections, try again in a while"

	// An empty SETTINGS frame, which RFC 9113 section 3.4 wants first, and a GOAWAY frame up to its code.
	goaway = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00"

	// busyHTTP2 is GOAWAY with NO_ERROR and no stream processed: RFC 9113 section 8.7 makes every request
	// safe to be sent again.
	busyHTTP2          = goaway + "\x00\x00\x00\x00"
	inadequateSecurity = goaway + "\x00\x00\x00\x0c"
)

// refusal is the session of a connection that is turned away.
type refusal struct {
	conn  *reactor.Conn
	words string
}

var _ reactor.Session = (*refusal)(nil)

// turnAway is called for a connection beyond the limit, on its loop.
func (s *Server) turnAway(c *reactor.Conn) reactor.Session {
	loopOf.Get(c.Loop()).refused(ConnectionLimit, c, nil)
	r := &refusal{conn: c, words: busy}
	if state := c.TLS(); state != nil && state.NegotiatedProtocol == "h2" {
		r.words = busyHTTP2
	}
	c.Touch()
	return r
}

// Receive implements reactor.Session: whatever is asked, the answer is the same.
func (r *refusal) Receive(in []byte) int { return len(in) }

// Transmit implements reactor.Session.
func (r *refusal) Transmit(dst []byte, _ int) []byte {
	dst = append(dst, r.words...)
	r.words = ""
	r.conn.Linger()
	return dst
}

// EOF implements reactor.Session.
func (r *refusal) EOF() bool { return false }

// Timeout implements reactor.Session.
func (r *refusal) Timeout() { r.conn.Close() }

// Closed implements reactor.Session.
func (r *refusal) Closed(error) {}

// drain implements drainer.
func (r *refusal) drain() {}
