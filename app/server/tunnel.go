//go:build linux

package server

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// openTunnel accepts a WebSocket whose bytes are passed on, or answers with the status and reason of its refusal. On an
// error nothing was queued.
func (x *exchange) openTunnel(r *app.Response, t spi.Tunnel) error {
	hello, refusal := x.handshake()
	if refusal != nil {
		text, _ := refusal.Content.(app.Bytes)
		x.endsFor(WebSocketHandshake)
		x.loop.server.refusedRequest(WebSocketHandshake, x, errors.New(strings.TrimSpace(string(text))))
		x.discard(r)
		return x.respond(refusal)
	}
	fields := append(r.Fields.Clone(3), ws.AnswerFields(&hello, "", "")...)
	x.source = x.loop.sourceReader(x, t)
	if err := x.server().tunnel(x, fields); err != nil {
		x.freeSource()
		return err
	}
	x.outcome = Upgraded
	x.response = r
	x.waited()
	x.begun()
	t.Opened(x)
	r.Fields = nil
	x.loop.r.Post(x.shrink)
	return nil
}

// shrink gives back what an open tunnel does not need. It is a task, since user code of the request has returned then.
func (x *exchange) shrink() {
	if x.conn.Orphaned() == &x.subject {
		return
	}
	spi.Shrink(&x.Request, &x.connection.info)
	x.subject = subjectOf(x.Method, x.Target)
}

// tunnel implements session: the content of the stream goes on in both directions.
func (s *h2Session) tunnel(x *exchange, fields app.Fields) error {
	err := s.machine.Respond(h2.StreamID(x.id), &h2.Response{Status: 200, Fields: fields, Source: x.source, Length: -1})
	if errors.Is(err, h2.ErrStream) {
		return app.ErrPeerGone
	}
	if err != nil {
		return err
	}
	x.ContentLength = -1 // it may be silent for as long as it likes
	s.conn.Touch()
	x.headTaken(200, fields)
	x.loop.count.response(x.Protocol, 200)
	return nil
}

// tunnel implements session: 101 is queued, and the connection switches when that has left.
func (s *h1Session) tunnel(x *exchange, fields app.Fields) error {
	err := s.machine.Respond(x.id, &h1.Response{Status: 101, Fields: fields})
	if errors.Is(err, h1.ErrGone) {
		return app.ErrPeerGone
	}
	if err != nil {
		return err
	}
	s.conn.Touch()
	x.headTaken(101, fields)
	x.loop.count.response(x.Protocol, 101)
	t := &h1Tunnel{x: x}
	t.connection = s.connection
	t.session = t
	s.unlink(x)
	t.live = x
	x.stream.connection = &t.connection
	x.in = &inbound{owner: x}
	s.next = &successor{tunnel: t}
	return nil
}

// h1Tunnel is an HTTP/1.1 connection whose bytes are passed on: after the 101 response to a WebSocket, or when it was
// hijacked. It is the transport of the exchange's stream.
type h1Tunnel struct {
	served
	x        *exchange
	hijacker spi.Source // gives the output of a hijacked connection; nil for a WebSocket
	sending  progress
	held     bool // input waits for its reader
	fin      bool // the peer has sent its last byte
}

var _ reactor.Session = (*h1Tunnel)(nil)

// Receive implements reactor.Session.
func (t *h1Tunnel) Receive(in []byte) int {
	x := t.x
	if x.in.err != nil {
		return len(in)
	}
	if x.in.kept.len() >= streamHigh {
		t.hold()
		return 0
	}
	t.loop.r.Charge(unitsPerEvent)
	x.received(len(in))
	x.stream.deliver(in)
	if x.in.kept.len() >= streamHigh {
		t.hold()
	}
	return len(in)
}

// hold stops reading until the input that is kept was taken.
func (t *h1Tunnel) hold() {
	t.held = true
	t.conn.Pause()
}

// release ends hold once most of the input was taken.
func (t *h1Tunnel) release() {
	if t.held && t.x.in.kept.len() <= streamLow {
		t.held = false
		t.conn.Resume()
	}
}

// Transmit implements reactor.Session.
func (t *h1Tunnel) Transmit(dst []byte, room int) []byte {
	if t.fin && t.x.in.err == nil && !t.held && t.conn.Kept() == 0 {
		t.x.endInput(io.EOF) // the FIN came before the tunnel
	}
	start, limit := len(dst), len(dst)+room
	for t.x.source != nil && len(dst) < limit {
		dst = slices.Grow(dst, min(limit-len(dst), chunkSize))
		n, err := t.x.source.Read(dst[len(dst):min(cap(dst), limit)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			t.outputEnded()
		} else if err != nil {
			t.conn.Reset()
			return dst[:start]
		}
		if n == 0 {
			break
		}
	}
	if n := len(dst) - start; n > 0 {
		t.sending.add(t.conn.Queued(), n, t.loop.instant())
	}
	t.loop.flushEnded()
	t.watch()
	return dst
}

// outputEnded ends the output, and the connection if there is no more input.
func (t *h1Tunnel) outputEnded() {
	if t.x.inputOver() {
		t.conn.Linger()
	} else {
		t.conn.CloseWrite()
	}
}

// watch sets the time of the next Timeout. A hijacked connection has none before the hijacker has closed it.
func (t *h1Tunnel) watch() {
	if t.hijacker != nil && !t.x.ended {
		setTimeoutAt(t.conn, 0)
		return
	}
	setTimeoutAt(t.conn, t.sending.by(t.conn, t.loop.instant(), t.loop.server.config.WriteTimeout))
}

// EOF implements reactor.Session: output goes on.
func (t *h1Tunnel) EOF() bool {
	t.fin = true
	t.x.endInput(io.EOF)
	if t.x.ended {
		t.conn.CloseFlushed()
	}
	return !t.x.ended
}

// Timeout implements reactor.Session.
func (t *h1Tunnel) Timeout() {
	if t.sending.stuck(t.conn, t.loop.instant(), t.loop.server.config.WriteTimeout) {
		t.loop.refused(WriteTimeout, t.conn, nil)
		t.x.endsFor(WriteTimeout)
		t.peerGone()
		t.conn.Reset()
		return
	}
	t.watch()
}

// Closed implements reactor.Session.
func (t *h1Tunnel) Closed(err error) {
	t.loop.count.switched.Add(-1)
	t.gone(err)
	t.loop.flushEnded()
}

// resume implements transport.
func (t *h1Tunnel) resume(*stream) { t.conn.Touch() }

// abort implements transport.
func (t *h1Tunnel) abort(*stream) { t.conn.Reset() }

// want implements transport.
func (t *h1Tunnel) want(*stream) { t.release() }

// consumed implements transport.
func (t *h1Tunnel) consumed(*stream, int) { t.release() }

// agedOut implements session.
func (t *h1Tunnel) agedOut() bool { return false }

// respond implements session: there was a response.
func (t *h1Tunnel) respond(*exchange, int, app.Fields, content) error { return app.ErrPeerGone }

// inform implements session.
func (t *h1Tunnel) inform(*exchange, int, app.Fields) error { return app.ErrPeerGone }

// upgrade implements session.
func (t *h1Tunnel) upgrade(*exchange, app.Fields) (*socket, error) { return nil, app.ErrPeerGone }

// tunnel implements session.
func (t *h1Tunnel) tunnel(*exchange, app.Fields) error { return app.ErrPeerGone }
