//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// connection is the part of a session that HTTP/1 and HTTP/2 have in common, to clients and to other servers: the
// reactor's connection and its loop. It belongs to the loop.
type connection struct {
	conn       *reactor.Conn
	loop       *loop
	info       app.ConnInfo
	session    transport // the session around it, as streams use it
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
	if !info.Peer.IsValid() {
		// Only here: RemoteAddr costs a dialled connection a system call.
		if a := c.RemoteAddr(); a != nil {
			info.PeerName = a.String()
		}
	}
	return info
}

// WatchConn implements spi.ConnWatcher.
func (l *loop) WatchConn(conn *app.ConnInfo, ended func()) {
	if l.watched == nil {
		l.watched = map[*app.ConnInfo][]func(){}
	}
	l.watched[conn] = append(l.watched[conn], ended)
}

// requestsEnded tells the watchers of a client's connection that no further request can come on it.
func (c *connection) requestsEnded() {
	if len(c.loop.watched) == 0 {
		return
	}
	ended := c.loop.watched[&c.info]
	delete(c.loop.watched, &c.info)
	for _, f := range ended {
		f()
	}
}

// scheme returns the scheme of requests on the connection: http or https.
func (c *connection) scheme() string {
	if c.info.TLS != nil {
		return "https"
	}
	return "http"
}
