//go:build linux

package server

import (
	"errors"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// h1Upstream is an HTTP/1.1 connection to another server, with one call at a time. It holds no buffer: content that the
// owner of the call does not read stays with the reactor, and the socket is not read.
type h1Upstream struct {
	upstream
	machine  h1.Client
	call     *call   // in progress; nil: none
	key      string  // of the WebSocket handshake that was made for call, or empty
	headFrom instant // arrival of the first byte of a head that is incomplete; 0: none
	full     bool    // nothing is taken from the server until content was read
	tunnel   bool    // the connection belongs to the tunnel of call
}

var (
	_ upstreamSession = (*h1Upstream)(nil)
	_ drainer         = (*h1Upstream)(nil)
)

// aheadOfReader is the number of bytes of a response that are kept before its owner reads, beyond which nothing more is
// taken from the server. One read of the socket may exceed it.
const aheadOfReader = 32 << 10

// newH1Upstream returns the session of a new connection.
func newH1Upstream(l *loop, c *reactor.Conn, d *spi.Dial, owner spi.ConnOwner) *h1Upstream {
	s := &h1Upstream{}
	s.machine.Init(l.h1)
	if d.MaxHead > 0 {
		s.machine.LimitHead(d.MaxHead)
	}
	s.init(l, c, owner, s)
	return s
}

// Protocol implements spi.Upstream.
func (s *h1Upstream) Protocol() string { return app.HTTP11 }

// Capacity implements spi.Upstream.
func (s *h1Upstream) Capacity() int {
	if s.closing || s.closed || s.call != nil || !s.machine.Idle() {
		return 0
	}
	return 1
}

// Busy implements spi.Upstream: HTTP/1.1 has no sign of it.
func (s *h1Upstream) Busy() bool { return false }

// Tunnels implements spi.Upstream: HTTP/1.1 has Upgrade in place of extended CONNECT.
func (s *h1Upstream) Tunnels() (accepts, known bool) { return false, true }

// Stale implements spi.Upstream.
func (s *h1Upstream) Stale() bool {
	if s.Draining() || s.call != nil {
		return s.Draining()
	}
	waiting, ended := s.conn.PeekInput()
	return waiting || ended
}

// Ping implements spi.Upstream: HTTP/1.1 has none, Stale reports as much.
func (s *h1Upstream) Ping(done func(err error)) {
	s.loop.r.Post(func() {
		if s.Stale() {
			done(&client.Error{Kind: client.UpstreamEOF, Safe: true, Err: errLeftIdle})
			return
		}
		done(nil)
	})
}

// Start implements spi.Upstream.
func (s *h1Upstream) Start(r *spi.Outgoing, owner spi.CallEvents) (spi.Call, error) {
	c, err := s.newCall(r, owner)
	if err != nil {
		return nil, err
	}
	if s.Capacity() == 0 {
		c.refuse()
		return nil, s.unable()
	}
	m := &s.loop.h1Request
	fields, key := s.loop.handshakeFields(r)
	*m = h1.ClientRequest{
		Method: r.Method, Target: r.Target, Authority: r.Authority, Fields: fields, Upgrade: r.Protocol,
		Expect: r.Expect, Trailers: wantsTrailers(r.Fields),
	}
	if bytes, ok := r.Content.(app.Bytes); ok {
		m.Bytes = bytes
	} else if !c.request.over && r.Protocol == "" {
		m.Source, m.Length = (*callSource)(c), r.Content.Length()
	}
	err = s.machine.Request(m)
	*m = h1.ClientRequest{}
	if err != nil {
		c.refuse()
		return nil, &client.Error{Kind: client.ClientMalformed, Safe: true, Err: err}
	}
	s.call, s.headFrom, s.key = c, 0, key
	s.begun()
	s.conn.Touch()
	return c, nil
}

// wantsTrailers reports whether TE lists trailers (RFC 9110 section 10.1.4).
func wantsTrailers(fields app.Fields) bool {
	for i := range fields {
		if f := &fields[i]; len(f.Name) == 2 && octets.EqualFold(f.Name, "te") && octets.ListHas(f.Value, "trailers") {
			return true
		}
	}
	return false
}

// Receive implements reactor.Session.
func (s *h1Upstream) Receive(in []byte) (used int) {
	s.loop.tick()
	for !s.closed {
		if c := s.call; c != nil && c.in.kept.len() >= aheadOfReader {
			s.holdInput(used < len(in))
			break
		}
		n, more := s.step(in[used:])
		used += n
		if !more {
			break
		}
		if s.loop.r.Charge(unitsPerEvent); used < len(in) && s.loop.r.Spent() {
			s.conn.Yield()
			break
		}
	}
	s.watchHead(used < len(in))
	return used
}

// step handles one event of the machine. It returns how many bytes of in were consumed, and whether to continue.
func (s *h1Upstream) step(in []byte) (n int, more bool) {
	if s.tunnel {
		return s.stepTunnel(in)
	}
	ev := s.loop.h1ClientEvent
	n, err := s.machine.Next(in, ev)
	if err != nil {
		s.malformed(err)
		return len(in), false
	}
	switch ev.Kind {
	case h1.Interim:
		s.headFrom = 0
		s.call.interim(ev.Head.Status, ev.Head.Fields)
	case h1.Final:
		s.headFrom = 0
		s.begin(&ev.Head)
		return n, !s.closed
	case h1.Data:
		s.call.deliver(ev.Data)
	case h1.End:
		if len(ev.Trailers) > 0 {
			s.call.in.trailers = append(app.Fields(nil), ev.Trailers...)
		}
		s.call.endInput(io.EOF)
	case h1.Switched:
		s.tunnel = true
		s.call.request.open()
	default:
		return n, false
	}
	return n, true
}

// begin passes on the head of a final response. One without content is complete with it.
func (s *h1Upstream) begin(head *h1.ResponseHead) {
	c := s.call
	if c.tunnel = head.Status == 101; c.tunnel && s.key != "" {
		if err := ws.CheckUpgrade(s.key, head.Status, head.Fields); err != nil {
			s.breakDown(client.UpstreamMalformed, err)
			return
		}
	}
	c.begin(spi.Incoming{
		Status: head.Status, Fields: head.Fields, ContentLength: head.ContentLength, Stated: head.Stated,
		Protocol: app.HTTP11,
	})
	if s.key != "" {
		c.head.Fields = withoutAccept(c.head.Fields)
	}
	if head.ContentLength == 0 && !c.tunnel {
		c.endInput(io.EOF)
	}
}

// malformed ends the connection for what the server has sent.
func (s *h1Upstream) malformed(err error) {
	kind := client.UpstreamMalformed
	var fault *h1.ResponseError
	if errors.As(err, &fault) && fault.Fault == h1.CutOff {
		kind = client.UpstreamEOF
	}
	s.breakDown(kind, err)
}

// breakDown ends the connection and its call at once.
func (s *h1Upstream) breakDown(kind client.Kind, err error) {
	s.failCalls(kind, err)
	s.conn.Close()
}

// holdInput takes nothing more from the server until content was read. Unless input is left, the socket is read once
// more, since the reader mostly follows in this turn.
func (s *h1Upstream) holdInput(left bool) {
	s.full = true
	if left {
		s.conn.Pause()
	}
}

// want implements transport.
func (s *h1Upstream) want(st *stream) { s.consumed(st, 0) }

// consumed implements transport: it continues input that waits.
func (s *h1Upstream) consumed(st *stream, _ int) {
	if c := s.call; !s.full || s.closed || c == nil || st != &c.stream || c.in.kept.len() > aheadOfReader/2 {
		return
	}
	s.full = false
	if s.conn.Paused() || s.conn.Kept() > 0 {
		s.conn.Resume()
	}
	if s.conn.Kept() == 0 {
		// The event at the end of content needs no further input.
		s.Receive(nil)
		s.conn.Touch()
	}
}

// Transmit implements reactor.Session.
func (s *h1Upstream) Transmit(dst []byte, room int) []byte {
	s.loop.tick()
	start := len(dst)
	if s.tunnel {
		dst = s.transmitTunnel(dst, room)
	} else {
		dst = s.machine.Transmit(dst, room)
	}
	s.sentTo(len(dst) - start)
	s.finishTurn()
	return dst
}

// finishTurn closes a connection that cannot be used again, and sets the next timeout.
func (s *h1Upstream) finishTurn() {
	if s.closed {
		return
	}
	if s.call == nil && (s.tunnel || !s.machine.Idle()) {
		s.end()
	}
	setTimeoutAt(s.conn, earlier(s.stuckBy(), s.headBy()))
}

// end closes a connection whose call was the last. What is left of its request is dropped, unless a tunnel has ended.
func (s *h1Upstream) end() {
	s.closing = true
	if s.tunnel && s.machine.Err() == nil {
		s.conn.CloseFlushed()
		return
	}
	s.conn.Close()
}

// EOF implements reactor.Session.
func (s *h1Upstream) EOF() (keep bool) {
	s.loop.tick()
	if s.tunnel {
		if c := s.call; c != nil {
			c.endInput(io.EOF)
		}
		return s.call != nil
	}
	s.drainMachine()
	if s.closed {
		return false
	}
	if s.conn.Truncated() && s.call != nil {
		// RFC 9112 section 9.8: the end of content without a length is not to be trusted.
		s.breakDown(client.UpstreamEOF, reactor.ErrTruncated)
		return false
	}
	if err := s.machine.EOF(); err != nil {
		s.malformed(err)
		return false
	}
	s.drainMachine()
	return false
}

// drainMachine handles events that need no input.
func (s *h1Upstream) drainMachine() {
	for more := true; more && !s.closed; {
		_, more = s.step(nil)
	}
}

// Timeout implements reactor.Session.
func (s *h1Upstream) Timeout() {
	switch {
	case s.stuck():
	case s.headBy().passed(s.loop.instant()):
		s.breakDown(client.HeadTimeout, errHeadSlow)
	default:
		s.finishTurn()
	}
}

// watchHead notes when a head has begun to arrive. left: a part of one waits for the rest.
func (s *h1Upstream) watchHead(left bool) {
	if c := s.call; left && c != nil && !c.headCame && s.headFrom == 0 {
		s.headFrom = s.loop.instant()
	}
}

// headBy returns when the head that has begun to arrive must be complete; 0: none has.
func (s *h1Upstream) headBy() instant {
	if s.headFrom == 0 {
		return 0
	}
	return s.headFrom.after(s.loop.server.config.HeadTimeout)
}

// Closed implements reactor.Session.
func (s *h1Upstream) Closed(err error) {
	s.gone(err)
	s.machine.Release()
}

// leave implements upstreamSession.
func (s *h1Upstream) leave() { s.conn.CloseFlushed() }

// resume implements transport.
func (s *h1Upstream) resume(st *stream) {
	if c := s.call; c == nil || st != &c.stream {
		return
	}
	s.machine.Resume()
	s.conn.Touch()
}

// abort implements transport.
func (s *h1Upstream) abort(st *stream) {
	if c := s.call; c != nil && st == &c.stream {
		s.cancel(c)
	}
}

// proceed implements upstreamSession.
func (s *h1Upstream) proceed(*call) {
	s.machine.Proceed()
	s.conn.Touch()
}

// cancel implements upstreamSession: only the end of the connection tells the server, and only a reset that nobody
// reads the response any more.
func (s *h1Upstream) cancel(*call) {
	s.closing = true
	s.machine.Abort()
	s.conn.Reset()
}

// ended implements upstreamSession. If the machine has just read the end of the content it knows.
func (s *h1Upstream) ended(c *call) {
	if s.call != c {
		return
	}
	s.call, s.full = nil, false
	if c.request.last == nil {
		s.machine.StopSending()
	}
	if s.closed {
		return
	}
	if s.machine.Idle() {
		s.record(dueChanged)
	}
	s.conn.Touch()
}

// sent implements upstreamSession.
func (s *h1Upstream) sent(*call) bool { return s.machine.Sent() }

// receivedAny implements upstreamSession.
func (s *h1Upstream) receivedAny(*call) bool { return s.machine.Received() }
