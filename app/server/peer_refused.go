//go:build linux

package server

import (
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// peerRefusedSession is the session of a cleartext connection beyond a limit of its client, until the first bytes show in
// which protocol to answer.
type peerRefusedSession struct {
	conn   *reactor.Conn
	loop   *loop
	reason Reason
	wait   time.Duration
}

var _ reactor.Session = (*peerRefusedSession)(nil)

// firstBytesOfRefused is the time for the first bytes of a refused connection, after which the answer is in HTTP/1.1.
const firstBytesOfRefused = time.Second

// refusePeer returns the session of a connection beyond a limit of its client, which the reactor has counted. wait is the
// time after which the next one may be accepted. On its loop.
func (s *Server) refusePeer(c *reactor.Conn, refusal reactor.PeerRefusal, wait time.Duration) reactor.Session {
	l := loopOf.Get(c.Loop())
	d := &peerRefusedSession{conn: c, loop: l, reason: peerReason(refusal), wait: wait}
	if state := c.TLS(); state != nil {
		c.Touch()
		return d.answered(state.NegotiatedProtocol == "h2" && !s.config.HTTP2.Disabled)
	}
	setTimeoutAt(c, l.instant().after(firstBytesOfRefused))
	return d
}

// answered returns the session that sends the answer, and tells the observers.
func (d *peerRefusedSession) answered(http2 bool) *refusedSession {
	status, text := 503, "too many connections of this client, try again in a while"
	if d.reason != PeerConnections {
		status, text = 429, "too many new connections of this client, try again in a while"
	}
	r := &refusedSession{conn: d.conn, loop: d.loop}
	if http2 {
		r.output = goawayCalm(text)
		d.loop.refusedConnection(d.conn, app.HTTP2, 0, d.reason)
	} else {
		r.output = plainAnswer(status, d.wait, text)
		d.loop.refusedConnection(d.conn, app.HTTP11, status, d.reason)
	}
	return r
}

// plainAnswer returns an HTTP/1.1 response with Retry-After that ends the connection.
func plainAnswer(status int, wait time.Duration, text string) string {
	phrase := "Service Unavailable"
	if status == 429 {
		phrase = "Too Many Requests"
	}
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nRetry-After: %d\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, phrase, wait/time.Second, len(text), text)
}

// goawayCalm returns the first frame of an HTTP/2 server and GOAWAY with ENHANCE_YOUR_CALM and the text (RFC 9113 sections
// 3.4 and 6.8), which is shorter than 248 bytes. No stream was processed.
func goawayCalm(text string) string {
	frame := []byte(emptySettings)
	frame = append(frame, 0, 0, byte(8+len(text)), 7, 0, 0, 0, 0, 0) // length, type, flags and stream
	frame = append(frame, 0, 0, 0, 0, 0, 0, 0, 0xb)                  // last stream and code
	return string(append(frame, text...))
}

// Receive implements reactor.Session.
func (d *peerRefusedSession) Receive(in []byte) int {
	c := &d.loop.server.config.HTTP2
	protocol := protocolHTTP1
	if !c.Disabled && !c.TLSOnly {
		protocol = sniff(in)
	}
	if protocol != undecided {
		d.conn.SetSession(d.answered(protocol == protocolHTTP2))
	}
	return 0
}

// Transmit implements reactor.Session.
func (d *peerRefusedSession) Transmit(dst []byte, _ int) []byte { return dst }

// EOF implements reactor.Session.
func (d *peerRefusedSession) EOF() bool { return false }

// Timeout implements reactor.Session.
func (d *peerRefusedSession) Timeout() { d.conn.SetSession(d.answered(false)) }

// Closed implements reactor.Session.
func (d *peerRefusedSession) Closed(error) { d.loop.flushEnded() }

// drain implements drainer: the first bytes have a second in any case.
func (d *peerRefusedSession) drain() {}
