//go:build linux

package server

import (
	"errors"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h2"
)

// h2Socket is a WebSocket on an HTTP/2 stream that was opened by extended CONNECT (RFC 8441). It is the stream's
// value in the machine, and the source of its response.
type h2Socket struct {
	socket
	session *h2Session
	kept    []byte // input that waits, or an incomplete frame header
	id      h2.StreamID

	timer socketTimer

	announced bool // the machine knows that there is output
	postponed bool // a task is posted that announces output beyond the turn's budget
}

// upgrade implements session.
func (s *h2Session) upgrade(x *exchange, fields app.Fields) (*socket, error) {
	id := h2.StreamID(x.id)
	if m := &s.ensureRare().messages; m.loop == nil {
		m.loop = &x.loop.messages
		m.limit.Store(x.loop.messages.limit.Load() / 8)
	}
	k := &h2Socket{session: s, id: id, announced: true}
	k.carrier, k.loop, k.conn = k, x.loop, x.conn
	err := s.machine.Respond(id, &h2.Response{Status: 200, Fields: fields, Source: k, Length: -1})
	if errors.Is(err, h2.ErrStream) {
		return nil, app.ErrPeerGone
	}
	if err != nil {
		return nil, err
	}
	s.machine.SetValue(id, k)
	s.conn.Touch()
	x.loop.count.response(x.Protocol, 200)
	x.headTaken(200, fields)
	k.inherit(x)
	return &k.socket, nil
}

// inherit takes over the content that the peer sent before the response, and its end.
func (s *h2Socket) inherit(x *exchange) {
	s.fin = x.in == nil || x.in.err == io.EOF
	if x.in != nil && x.in.kept.len() > 0 {
		s.kept = make([]byte, x.in.kept.len())
		x.in.kept.read(&x.loop.chunks, s.kept)
	}
	if s.fin || len(s.kept) > 0 {
		s.release()
	}
}

// deliver handles a DATA frame. The windows open by what the machine consumes.
func (s *h2Socket) deliver(ev *h2.Event) {
	s.fin = s.fin || ev.End
	if s.fin && s.machine.Done() {
		s.streamEnded()
	}
	if len(s.kept) > 0 || s.intake != flowing {
		s.kept = append(s.kept, ev.Data...)
		if s.intake != yielded {
			s.pump()
		}
		return
	}
	used := s.feed(ev.Data)
	s.session.machine.Consumed(s.id, used)
	s.kept = append(s.kept, ev.Data[used:]...)
	s.afterFeed()
}

// pump feeds the kept input.
func (s *h2Socket) pump() {
	if s.intake == held {
		return
	}
	used := s.feed(s.kept)
	s.session.machine.Consumed(s.id, used)
	s.conn.Touch()
	if s.kept = append(s.kept[:0], s.kept[used:]...); len(s.kept) == 0 {
		s.kept = nil
	}
	s.afterFeed()
}

// afterFeed follows each feed.
func (s *h2Socket) afterFeed() {
	switch {
	case s.intake == yielded:
		s.release()
	case s.fin && s.intake == flowing:
		s.inputEnded()
	}
	if s.machine.Queued() > 0 || s.machine.Done() {
		s.announce()
	}
	s.watch()
}

// Read implements the machine's Source. The end of the socket is that of the stream.
func (s *h2Socket) Read(p []byte) (int, error) {
	if s.machine.Compresses() && s.loop.r.Spent() {
		s.postpone()
		return 0, nil
	}
	n := len(s.transmit(p[:0], len(p)))
	done := s.machine.Done()
	if done {
		// A stream that both sides have ended is gone: no event follows.
		if s.fin {
			s.streamEnded()
		}
		s.watch()
		return n, io.EOF
	}
	if n == 0 {
		s.announced = false
		s.watch()
	}
	return n, nil
}

// postpone leaves the compression of further output to the next turn.
func (s *h2Socket) postpone() {
	s.announced = false
	if s.postponed {
		return
	}
	s.postponed = true
	s.loop.r.Post(func() {
		if s.postponed = false; !s.timer.over && !s.conn.Closed() {
			s.announce()
		}
	})
}

// reset handles the end of the stream.
func (s *h2Socket) reset() {
	s.streamEnded()
	s.kept = nil
	s.peerGone(app.ErrPeerGone)
}

// announce implements carrier.
func (s *h2Socket) announce() {
	if !s.announced {
		s.announced = true
		s.session.machine.Resume(s.id)
		s.conn.Touch()
	}
}

// release implements carrier.
func (s *h2Socket) release() {
	s.loop.r.Post(func() {
		if !s.conn.Closed() {
			s.pump()
		}
	})
}

// cut implements carrier.
func (s *h2Socket) cut() {
	s.streamEnded()
	s.session.machine.Reset(s.id, h2.CodeCancel)
	s.conn.Touch()
	s.peerGone(app.ErrPeerGone)
}

// memory implements carrier.
func (s *h2Socket) memory() *memory { return &s.session.rare.messages }

// watch implements carrier.
func (s *h2Socket) watch() {
	if d := s.deadline(); s.timer.late(d) {
		s.timer.set(s.loop, d, s.timeout)
	}
}

// streamEnded stops the timer for ever: the stream is gone from the machine, or about to be.
func (s *h2Socket) streamEnded() { s.timer.end() }

// timeout is called by the timer.
func (s *h2Socket) timeout() {
	s.timer.fired()
	s.loop.tick()
	s.expire(s.loop.r.Now())
	s.watch()
}

// sockets returns the connection's WebSockets.
func (s *h2Session) sockets() (all []*h2Socket) {
	s.machine.Each(func(_ h2.StreamID, value any) {
		if k, ok := value.(*h2Socket); ok {
			all = append(all, k)
		}
	})
	return all
}

// peerGone cuts every exchange of the connection and ends its WebSockets.
func (s *h2Session) peerGone() { s.gone(nil) }

// gone is called with the error of reactor.Session.Closed when the connection has ended.
func (s *h2Session) gone(err error) {
	s.endAll(enderOfClose(err))
	s.served.gone(err)
	for _, k := range s.sockets() {
		k.reset()
	}
}

// endAll records who has ended the open requests and WebSockets.
func (s *h2Session) endAll(by spi.Ender, reason string) {
	if !s.loop.observed {
		return
	}
	s.served.endAll(by, reason)
	for _, k := range s.sockets() {
		k.endsBy(by, reason)
	}
}
