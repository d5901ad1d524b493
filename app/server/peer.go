//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// peer is the part of a connection that the sessions of both protocols have.
type peer struct {
	conn    *reactor.Conn
	loop    *loop
	info    app.ConnInfo
	session session   // as exchanges use it
	live    *exchange // the open exchanges, newest first
	moved   instant   // when the peer last sent or took something
}

func newPeer(l *loop, c *reactor.Conn) peer {
	return peer{conn: c, loop: l, moved: l.instant(), info: l.describe(c)}
}

// describe returns the description of a connection.
func (l *loop) describe(c *reactor.Conn) (info app.ConnInfo) {
	info.TLS = c.TLS()
	info.Trust = l.server.trust
	info.Peer, info.Local = c.RemoteAddrPort(), c.LocalAddrPort()
	if a := c.RemoteAddr(); a != nil && !info.Peer.IsValid() {
		info.PeerName = a.String()
	}
	return info
}

// scheme returns the scheme of the connection.
func (p *peer) scheme() string {
	if p.info.TLS != nil {
		return "https"
	}
	return "http"
}

// open returns an exchange for a request whose head has arrived.
func (p *peer) open(id uint64) *exchange {
	x := &exchange{stream: stream{peer: p, id: id}}
	x.next = p.live
	if x.next != nil {
		x.next.previous = x
	}
	p.live = x
	return x
}

func (p *peer) unlink(x *exchange) {
	switch {
	case x.previous != nil:
		x.previous.next = x.next
	case p.live == x:
		p.live = x.next
	default:
		return
	}
	if x.next != nil {
		x.next.previous = x.previous
	}
	x.previous, x.next = nil, nil
}

// peerGone cuts every exchange: the peer has left.
func (p *peer) peerGone() {
	for p.live != nil {
		x := p.live
		p.unlink(x)
		x.cut(app.ErrPeerGone)
	}
}

// halfClose ends the context of every request: the peer sends nothing more. Responses are still sent.
func (p *peer) halfClose() {
	for x := p.live; x != nil; x = x.next {
		spi.Cancel(&x.Request, app.ErrHalfClosed)
	}
}

// notifyDrain tells open requests that the connection is draining, so that event streams can end.
func (p *peer) notifyDrain() {
	for x := p.live; x != nil; x = x.next {
		spi.Drain(&x.Request)
	}
}

// setFields copies field lines from the machine's scratch memory. The strings belong to the request.
func (x *exchange) setFields(fields []app.Field) {
	if len(fields) <= len(x.inline) {
		x.Fields = x.inline[:copy(x.inline[:], fields)]
		return
	}
	x.Fields = append(make(app.Fields, 0, roomFor(len(fields))), fields...)
}

// roomFor keeps lists of field lines out of the size classes of objects that an idle connection holds: 256 bytes of
// gnet, 288 of an h1Session and 384 of an h1Socket. The handshake of a browser has twelve lines of 32 bytes; their
// holes would stay for the life of the sockets.
func roomFor(lines int) int {
	switch lines {
	case 8, 9:
		return 10
	case 12:
		return 13
	}
	return lines
}

// admit calls the handler, unless prepare has answered.
func (x *exchange) admit() {
	if x.prepare() {
		x.serve()
	}
}

// prepare binds the request. It reports false if it has answered, since the declared length exceeds the server's limit.
func (x *exchange) prepare() bool {
	l := x.loop
	x.Arrived = l.r.TurnTime()
	x.subject = subjectOf(x.Method, x.Target)
	spi.Bind(&x.Request, x, &x.info)
	if limit := l.server.config.MaxBody; limit > 0 {
		if x.ContentLength > limit {
			x.answer(nil, tooLarge(limit))
			return false
		}
		x.Body.Limit(limit)
	}
	return true
}

// deliver passes borrowed content to the application, up to the server's limit.
func (x *exchange) deliver(data []byte) {
	if x.withinLimit(len(data)) {
		x.stream.deliver(data)
	}
}

// gather is like deliver, for small pieces of content: tellGathered passes them to the reader together.
func (x *exchange) gather(data []byte) {
	if x.withinLimit(len(data)) {
		x.stream.gather(data)
	}
}

// withinLimit reports whether the server takes n bytes more. If it does not, the content ends.
func (x *exchange) withinLimit(n int) bool {
	limit := x.loop.server.config.MaxBody
	if limit <= 0 || x.in.taken+int64(n) <= limit {
		return true
	}
	x.in.taken += int64(n)
	x.endInput(tooLarge(limit))
	return false
}

// dropInput ends the incoming content if n bytes of it were dropped, since the response had ended: no reader may take
// the rest for the whole.
func (x *exchange) dropInput(n int) {
	if n > 0 {
		x.endInput(app.ErrRequestDone)
	}
}

func tooLarge(limit int64) error {
	return app.Statusf(413, "the content exceeds the server's limit of %d bytes", limit)
}
