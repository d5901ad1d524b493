//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// peer is what the sessions of both protocols keep of a connection.
type peer struct {
	conn    *reactor.Conn
	loop    *loop
	info    app.ConnInfo
	session session   // what the exchanges ask of the connection
	live    *exchange // the exchanges that are under way, newest first
	moved   instant   // when the peer last gave or took something
}

func newPeer(l *loop, c *reactor.Conn) peer {
	return peer{conn: c, loop: l, moved: l.instant(), info: l.describe(c)}
}

// describe asks the connection who is there.
func (l *loop) describe(c *reactor.Conn) (info app.ConnInfo) {
	info.TLS = c.TLS()
	info.Trust = l.server.trust
	info.Peer, info.Local = c.RemoteAddrPort(), c.LocalAddrPort()
	if a := c.RemoteAddr(); a != nil && !info.Peer.IsValid() {
		info.PeerName = a.String()
	}
	return info
}

// scheme is that of the connection itself.
func (p *peer) scheme() string {
	if p.info.TLS != nil {
		return "https"
	}
	return "http"
}

// open makes the exchange of a request whose head has come.
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

// peerGone tells every exchange that the peer has left.
func (p *peer) peerGone() {
	for p.live != nil {
		x := p.live
		p.unlink(x)
		x.cut(app.ErrPeerGone)
	}
}

// halfClose tells every request's context that the peer sends nothing more; answers are still sent.
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

// setFields copies the field lines out of the machine's scratch; the strings themselves are the request's.
func (x *exchange) setFields(fields []app.Field) {
	if len(fields) <= len(x.inline) {
		x.Fields = x.inline[:copy(x.inline[:], fields)]
		return
	}
	x.Fields = append(make(app.Fields, 0, roomFor(len(fields))), fields...)
}

// roomFor keeps lists of field lines out of the size classes of what an idle connection holds: 256 bytes of
// gnet's, 288 of an h1Session and 384 of an h1Socket. A browser's handshake has twelve lines of 32 bytes; the
// holes that they left would stay with the sockets.
func roomFor(lines int) int {
	switch lines {
	case 8, 9:
		return 10
	case 12:
		return 13
	}
	return lines
}

// admit runs the handler, unless prepare has answered.
func (x *exchange) admit() {
	if x.prepare() {
		x.serve()
	}
}

// prepare makes the request ready for its handler. It reports false if it has answered itself, since the content
// is announced to be larger than the server takes.
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

// deliver offers borrowed content to the application, within the server's limit.
func (x *exchange) deliver(data []byte) {
	if x.withinLimit(len(data)) {
		x.stream.deliver(data)
	}
}

// gather is deliver for a little content: tellGathered tells the reader of it.
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

// dropInput notes that n bytes came after the response had ended and were dropped: no reader may take what it has for
// the whole.
func (x *exchange) dropInput(n int) {
	if n > 0 {
		x.endInput(app.ErrRequestDone)
	}
}

func tooLarge(limit int64) error {
	return app.Statusf(413, "the content exceeds the server's limit of %d bytes", limit)
}
