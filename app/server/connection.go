//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// connection is the part of a session that HTTP/1 and HTTP/2 have in common: the reactor's connection, its loop and
// its open exchanges. It belongs to the loop.
type connection struct {
	conn       *reactor.Conn
	loop       *loop
	info       app.ConnInfo
	session    session   // the session around it, as exchanges use it
	live       *exchange // the open exchanges, newest first
	lastActive instant   // when the peer last sent or read something; over HTTP/2, when requests last began or ended
}

// newConnection returns the connection of c for a session on l. On the loop.
func newConnection(l *loop, c *reactor.Conn) connection {
	return connection{conn: c, loop: l, lastActive: l.instant(), info: l.describe(c)}
}

// describe returns the addresses and TLS state of c for applications.
func (l *loop) describe(c *reactor.Conn) (info app.ConnInfo) {
	info.TLS = c.TLS()
	info.Trust = l.server.trust
	info.Peer, info.Local = c.RemoteAddrPort(), c.LocalAddrPort()
	if a := c.RemoteAddr(); a != nil && !info.Peer.IsValid() {
		info.PeerName = a.String()
	}
	return info
}

// scheme returns the scheme of requests on the connection: http or https.
func (c *connection) scheme() string {
	if c.info.TLS != nil {
		return "https"
	}
	return "http"
}

// open returns a new exchange for a request whose head has arrived, and adds it to live. id is the machine's name
// for its stream.
func (c *connection) open(id uint64) *exchange {
	x := &exchange{stream: stream{connection: c, id: id}}
	x.next = c.live
	if x.next != nil {
		x.next.previous = x
	}
	c.live = x
	return x
}

// unlink removes x from live. It does nothing if x is not in it.
func (c *connection) unlink(x *exchange) {
	switch {
	case x.previous != nil:
		x.previous.next = x.next
	case c.live == x:
		c.live = x.next
	default:
		return
	}
	if x.next != nil {
		x.next.previous = x.previous
	}
	x.previous, x.next = nil, nil
}

// peerGone cuts every open exchange with app.ErrPeerGone.
func (c *connection) peerGone() {
	for c.live != nil {
		x := c.live
		c.unlink(x)
		x.cut(app.ErrPeerGone)
	}
}

// halfClose ends the context of every open request with app.ErrHalfClosed, after the peer has closed its sending side.
// Responses are still sent.
func (c *connection) halfClose() {
	for x := c.live; x != nil; x = x.next {
		spi.Cancel(&x.Request, app.ErrHalfClosed)
	}
}

// notifyDrain tells open requests that the connection is draining, so that event streams can end.
func (c *connection) notifyDrain() {
	for x := c.live; x != nil; x = x.next {
		spi.Drain(&x.Request)
	}
}
