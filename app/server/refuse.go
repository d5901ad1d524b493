//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/reactor"
)

// busy is what a connection beyond Config.MaxConnections hears, before it has said a word: HTTP/1 clients
// understand it, and HTTP/2 clients fail at once instead of waiting.
const busy = "HTTP/1.1 503 Service Unavailable\r\n" +
	"Retry-After: 1\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 42\r\n" +
	"Connection: close\r\n\r\n" +
	"too many connections, try again in a while"

// refusal is the session of a connection that is turned away.
type refusal struct {
	conn *reactor.Conn
	said bool
}

var _ reactor.Session = (*refusal)(nil)

// turnAway is called for a connection beyond the limit, on its loop.
func (s *Server) turnAway(c *reactor.Conn) reactor.Session {
	r := &refusal{conn: c}
	c.Touch()
	return r
}

// Receive implements reactor.Session: whatever is asked, the answer is the same.
func (r *refusal) Receive(in []byte) int { return len(in) }

// Transmit implements reactor.Session.
func (r *refusal) Transmit(dst []byte, _ int) []byte {
	if r.said {
		return dst
	}
	r.said = true
	r.conn.Linger()
	return append(dst, busy...)
}

// EOF implements reactor.Session.
func (r *refusal) EOF() bool { return false }

// Timeout implements reactor.Session.
func (r *refusal) Timeout() { r.conn.Close() }

// Closed implements reactor.Session.
func (r *refusal) Closed(error) {}
