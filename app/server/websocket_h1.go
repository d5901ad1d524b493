//go:build linux

package server

import (
	"errors"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/reactor"
)

// h1Socket is a WebSocket on an HTTP/1.1 connection after its 101 response.
type h1Socket struct {
	socket
	sending progress
}

var _ reactor.Session = (*h1Socket)(nil)

// upgrade implements session: 101 is queued, and the connection switches when that has left.
func (s *h1Session) upgrade(x *exchange, fields app.Fields) (*socket, error) {
	err := s.machine.Respond(x.id, &h1.Response{Status: 101, Fields: fields})
	if errors.Is(err, h1.ErrGone) {
		return nil, app.ErrPeerGone
	}
	if err != nil {
		return nil, err
	}
	s.conn.Touch()
	x.loop.count.response(x.Protocol, 101)
	x.headTaken(101, fields)
	k := &h1Socket{}
	k.carrier = k
	s.next = &successor{socket: k}
	return &k.socket, nil
}

// successor is the session that takes over an HTTP/1.1 connection after HTTP: socket or tunnel.
type successor struct {
	socket *h1Socket
	tunnel *h1Tunnel
}

// session returns the session. fin reports whether the peer has sent its last byte.
func (n *successor) session(fin bool) reactor.Session {
	if n.tunnel != nil {
		n.tunnel.fin = fin
		n.tunnel.begin()
		return n.tunnel
	}
	n.socket.fin = fin
	return n.socket
}

// peerGone tells the session that the connection is gone. err is that of reactor.Session.Closed.
func (n *successor) peerGone(err error) {
	if n.tunnel != nil {
		n.tunnel.gone(err)
		if out := n.tunnel.hijacker; out != nil {
			_ = out.Close()
		}
	} else {
		n.socket.endsBy(enderOfClose(err))
		n.socket.peerGone(app.ErrPeerGone)
	}
}

// goAway tells a WebSocket that the server drains. A tunnel has until the end of that.
func (n *successor) goAway() {
	if n.socket != nil {
		n.socket.goAway()
	}
}

// switchSession replaces the connection's session once the last bytes of HTTP were sent.
func (s *h1Session) switchSession() bool {
	if s.next == nil {
		return false
	}
	ev := s.loop.h1Event
	if _, err := s.machine.Next(nil, ev); err != nil || ev.Kind != h1.Switched {
		return false
	}
	s.loop.count.http1.Add(-1)
	s.loop.count.switched.Add(1)
	s.conn.SetSession(s.next.session(s.input.last()))
	s.conn.Resume()
	s.requestsEnded()
	s.machine.Release()
	return true
}

// Receive implements reactor.Session.
func (s *h1Socket) Receive(in []byte) int {
	s.loop.tick()
	used := s.feed(in)
	switch {
	case s.intake == held:
		s.conn.Pause()
	case s.intake == yielded && used < len(in):
		s.intake = flowing // the connection presents the rest in another turn
		s.conn.Yield()
	case s.intake == yielded:
		s.release()
	}
	if !s.machine.Open() {
		s.watch()
	}
	return used
}

// Transmit implements reactor.Session.
func (s *h1Socket) Transmit(dst []byte, room int) []byte {
	s.loop.tick()
	s.finish()
	start := len(dst)
	dst = s.transmit(dst, room)
	for s.machine.Compresses() && len(dst)-start < room && !s.loop.r.Spent() {
		dst = s.transmit(dst, room-(len(dst)-start))
	}
	n := len(dst) - start
	if n > 0 {
		s.sending.add(s.conn.Queued(), n, s.loop.instant())
	}
	if s.machine.Compresses() && n < room {
		s.conn.Yield()
	}
	s.loop.flushEnded()
	if s.machine.Done() {
		// RFC 6455 section 7.1.1: the server ends the connection first.
		s.conn.Linger()
	}
	s.watch()
	return dst
}

// watch implements carrier: it sets the time of the next Timeout. Transmit does so after each turn, but it is not
// called while output is stuck.
func (s *h1Socket) watch() {
	by := s.sending.by(s.conn, s.loop.instant(), s.loop.server.config.WriteTimeout)
	setTimeoutAt(s.conn, earlier(by, s.loop.moment(s.deadline())))
}

// EOF implements reactor.Session.
func (s *h1Socket) EOF() bool {
	s.fin = true
	return !s.finish()
}

// finish ends the socket after the peer's FIN, once the application has got every message before it. It reports
// whether it did.
func (s *h1Socket) finish() bool {
	if !s.fin || s.intake != flowing || s.conn.Paused() {
		return false
	}
	s.inputEnded()
	s.conn.CloseFlushed()
	return true
}

// Timeout implements reactor.Session.
func (s *h1Socket) Timeout() {
	s.loop.tick()
	if s.sending.stuck(s.conn, s.loop.instant(), s.loop.server.config.WriteTimeout) {
		s.loop.refused(WriteTimeout, s.conn, nil)
		s.endsFor(WriteTimeout)
		s.peerGone(app.ErrPeerGone)
		s.conn.Close()
		return
	}
	s.expire(s.loop.r.Now())
	// Transmit, which sets the time too, is not called while output is stuck.
	s.watch()
}

// Closed implements reactor.Session.
func (s *h1Socket) Closed(err error) {
	s.loop.count.switched.Add(-1)
	s.endsBy(enderOfClose(err))
	s.peerGone(app.ErrPeerGone)
	s.loop.flushEnded()
}

// drain implements drainer.
func (s *h1Socket) drain() { s.goAway() }

// announce implements carrier.
func (s *h1Socket) announce() { s.conn.Touch() }

// release implements carrier. The machine may have events without further input.
func (s *h1Socket) release() {
	s.loop.r.Post(func() {
		if s.intake == held || s.conn.Closed() {
			return
		}
		s.conn.Resume()
		s.feed(nil)
		switch s.intake {
		case held:
			s.conn.Pause()
		case yielded:
			s.release()
		}
	})
}

// cut implements carrier.
func (s *h1Socket) cut() { s.conn.Close() }

// memory implements carrier.
func (s *h1Socket) memory() *memory { return &s.loop.messages }
