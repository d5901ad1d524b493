//go:build linux

package server

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/reactor"
)

// h2Session is the session of an HTTP/2 connection: its machine, and an exchange for each stream. A stream's
// value in the machine is its exchange or its h2Socket.
type h2Session struct {
	served
	machine  h2.Conn
	streams  int // open streams, as counted in the loop's load
	sending  progress
	aged     atomic.Bool // the connection drains for its age; read on any goroutine
	fin      bool        // the peer has sent its last byte
	accepted bool        // a request has arrived since watch
	failed   bool        // the error that ends the connection was counted

	beyondPeer uint8 // requests in a row beyond PeerLimits.Requests

	held     []*exchange // requests whose handlers wait until answers have left, oldest first
	bodyBy   instant     // when to check the requests that wait for content; 0: none waits
	rare     *h2Rare     // nil: not needed so far
	opened   uint32      // Loop.Age at the start, in seconds
	requests uint32      // that have arrived
}

var _ reactor.IdleSession = (*h2Session)(nil)

// newH2Session starts HTTP/2 on a loop whose load counts the connection already.
func newH2Session(p connection) *h2Session {
	p.loop.tick()
	s := &h2Session{served: served{connection: p}, opened: p.loop.ageInSeconds()}
	s.session = s
	s.machine.Init(p.loop.h2, rand.Float64())
	if !p.info.Local.IsValid() {
		// The clients of a unix socket have no host to name.
		s.machine.AllowNoHost()
	}
	return s
}

// Receive implements reactor.Session.
func (s *h2Session) Receive(in []byte) int {
	s.loop.tick()
	return s.feed(in)
}

// feed feeds the machine and handles its events, until it needs more input or the turn is used up. It returns
// the number of bytes consumed.
func (s *h2Session) feed(in []byte) (used int) {
	ev := s.loop.h2Event
	for {
		n, err := s.machine.Next(in[used:], ev)
		used += n
		if err != nil {
			s.countFailure(err, false)
			s.loop.tellGathered()
			s.connectionError()
			return len(in)
		}
		if ev.Kind == h2.NeedMore {
			break
		}
		if s.loop.observed {
			s.account(ev, n)
		}
		if s.rare != nil && ev.Kind == h2.Data {
			s.rare.content += int64(len(ev.Data))
		}
		if x := gatherable(ev); x != nil {
			x.gather(ev.Data)
		} else {
			s.handle(ev)
		}
		if s.loop.r.Charge(unitsPerEvent); used < len(in) && s.loop.r.Spent() {
			s.conn.Yield()
			break
		}
	}
	s.loop.tellGathered()
	s.serveHeld()
	if s.machine.Wanting() || s.machine.Done() {
		s.conn.Touch()
	}
	return used
}

// account counts n bytes for the request that ev concerns.
func (s *h2Session) account(ev *h2.Event, n int) {
	s.loop.eventSize = n // for accept
	if x, ok := ev.Value.(*exchange); ok && (ev.Kind == h2.Data || ev.Kind == h2.Trailers) {
		x.received(n)
	}
}

// serveHeld runs handlers that were held back while the machine was congested. It reports whether it has run
// any.
func (s *h2Session) serveHeld() (any bool) {
	for len(s.held) > 0 && !s.machine.Congested() {
		if s.loop.r.Spent() {
			s.conn.Touch()
			break
		}
		x := s.held[0]
		s.held[0] = nil
		if s.held = s.held[1:]; len(s.held) == 0 {
			s.held = nil
		}
		if !x.gone && !x.answered {
			x.serve()
			any = true
		}
	}
	return any
}

// countFailure counts the error that ends the connection. late: it came from a deadline.
func (s *h2Session) countFailure(err error, late bool) {
	failure, ok := errors.AsType[*h2.ConnError](err)
	if !ok || s.failed {
		return
	}
	s.failed = true
	reason := ConnectionError
	switch calm := failure.Code == h2.CodeEnhanceYourCalm; {
	case late && calm:
		reason = HeadTimeout
	case late && s.machine.Draining():
		s.endAll(spi.EndedByDrain, "")
		return // the grace after --max-connection-age is over
	case late:
		reason = PingTimeout
	case calm && s.beyondPeer == maxBeyondPeer:
		reason = PeerRequests
	case calm:
		reason = Flood
	case failure.Code == h2.CodeNoError:
		return
	}
	s.endAll(reasonTable[reason].by, reasonTable[reason].label)
	s.loop.refused(reason, s.conn, err)
}

// connectionError ends the connection after an error. Events that precede the error are handled first.
func (s *h2Session) connectionError() {
	for ev := s.loop.h2Event; s.machine.Noticed(); {
		_, _ = s.machine.Next(nil, ev)
		s.handle(ev)
	}
	s.peerGone()
	s.conn.Touch()
}

func (s *h2Session) handle(ev *h2.Event) {
	switch {
	case ev.Kind == h2.Request:
		s.accept(ev)
		return
	case ev.Kind == h2.Refused, ev.Kind == h2.Reset && ev.Reason != "":
		s.countRefusal(ev)
	}
	if k, ok := ev.Value.(*h2Socket); ok {
		s.handleSocket(k, ev)
		return
	}
	x, ok := ev.Value.(*exchange)
	if !ok {
		return
	}
	switch ev.Kind {
	case h2.Data:
		s.deliver(x, ev)
	case h2.Trailers:
		x.in.trailers = append(app.Fields(nil), ev.Trailers...)
		x.endInput(io.EOF)
	case h2.Reset:
		s.reset(x, ev)
	}
}

// countRefusal counts and logs a stream that the machine has refused or reset because of the peer.
func (s *h2Session) countRefusal(ev *h2.Event) {
	if ev.Withdrawn != 0 {
		s.loop.count.withdrawn(app.HTTP2, ev.Withdrawn)
	}
	if ev.Status != 0 {
		s.loop.count.response(app.HTTP2, ev.Status)
	}
	reason := streamRefusal(ev)
	if x, ok := ev.Value.(*exchange); ok {
		x.endsFor(reason)
		if ev.Status != 0 && x.seen != nil {
			x.status = uint16(ev.Status)
		}
	} else if ev.Kind == h2.Refused {
		s.requests++
		if o := s.refusedHead(app.HTTP2, uint64(ev.Stream), ev.Status, reasonTable[reason].by, reason.String(), nil); o != nil {
			o.number, o.received = uint64(s.requests), int64(s.loop.eventSize)
		}
	}
	s.loop.refused(reason, s.conn, errors.New(ev.Reason))
}

// streamRefusal returns why the machine has refused or reset a stream.
func streamRefusal(ev *h2.Event) Reason {
	switch {
	case ev.Status == 431:
		return TooLargeHTTP2
	case ev.Code == h2.CodeRefusedStream:
		return StreamLimit
	case ev.Reason == h2.SlowReading:
		return SlowReading
	case ev.Code == h2.CodeEnhanceYourCalm:
		return WriteTimeout
	}
	return MalformedHTTP2
}

func (s *h2Session) handleSocket(k *h2Socket, ev *h2.Event) {
	switch ev.Kind {
	case h2.Data:
		k.deliver(ev)
	case h2.Reset:
		switch {
		case ev.ByPeer:
			k.endsBy(spi.EndedByReset, "")
		case ev.Reason != "":
			k.endsFor(streamRefusal(ev))
		}
		k.reset()
	}
}

// accept makes the exchange of a request, and runs its handler unless the machine is congested.
func (s *h2Session) accept(ev *h2.Event) {
	head := &ev.Head
	s.accepted = true
	s.requests++
	x := s.open(uint64(ev.Stream))
	if o := x.seen; o != nil {
		o.number, o.received = uint64(s.requests), int64(s.loop.eventSize)
	}
	x.Method, x.Authority, x.Target, x.Protocol = head.Method, head.Authority, head.Path, app.HTTP2
	if head.Path == "" {
		// RFC 9110 section 9.3.6: the target of CONNECT is an authority.
		x.Target = head.Authority
	}
	x.Scheme = s.scheme()
	x.RawPath, x.RawQuery, _ = strings.Cut(head.Path, "?")
	x.ContentLength = head.ContentLength
	x.setFields(head.Fields)
	if !ev.End {
		x.in = &inbound{owner: x, expects: strings.EqualFold(x.Fields.Get("expect"), "100-continue")}
	}
	if ev.NeverIndexed != 0 {
		spi.MarkSensitive(&x.Request, sensitiveFields(head.Fields, ev.NeverIndexed))
	}
	if strings.EqualFold(head.Protocol, "websocket") {
		x.asGET()
	}
	s.machine.SetValue(ev.Stream, x)
	switch {
	case !x.prepare():
	case len(s.held) > 0, s.machine.Congested():
		s.held = append(s.held, x)
	default:
		x.serve()
	}
}

func (s *h2Session) deliver(x *exchange, ev *h2.Event) {
	switch {
	case x.unread():
		// It will not be read: open the windows now.
		s.machine.Consumed(ev.Stream, len(ev.Data))
		x.dropInput(len(ev.Data))
	case len(ev.Data) > 0:
		x.deliver(ev.Data)
	}
	if ev.End {
		x.endInput(io.EOF)
	}
}

// gatherBelow is the content in bytes below which frames are gathered: their reader is told once for each read
// of the socket, which costs less than a call for each frame.
const gatherBelow = 512

// gatherable returns the exchange of ev if ev has a little content, and not the last; else nil.
func gatherable(ev *h2.Event) *exchange {
	if ev.Kind != h2.Data || ev.End || len(ev.Data) >= gatherBelow {
		return nil
	}
	x, ok := ev.Value.(*exchange)
	if !ok || x.unread() {
		return nil
	}
	return x
}

// reset handles the end of a stream before both sides were complete. With CodeNoError the response is complete.
func (s *h2Session) reset(x *exchange, ev *h2.Event) {
	s.unlink(x)
	if ev.ByPeer {
		x.ends(spi.EndedByReset, "")
	}
	switch {
	case ev.Code == h2.CodeNoError && x.ended && x.in != nil:
		x.endInput(app.ErrRequestDone)
	case ev.Reason != "" && streamRefusal(ev) == MalformedHTTP2:
		x.cut(&app.StatusError{Status: 400, Message: ev.Reason})
	default:
		x.cut(app.ErrPeerGone)
	}
}

// Transmit implements reactor.Session. It may cause events, whose handling may cause more output.
func (s *h2Session) Transmit(dst []byte, room int) []byte {
	s.loop.tick()
	start, limit := len(dst), len(dst)+room
	dst = s.machine.Transmit(dst, room)
	for s.machine.Noticed() || s.serveHeld() {
		s.feed(nil)
		dst = s.machine.Transmit(dst, limit-len(dst))
	}
	if s.loop.server.leaving.Load() && s.answered() && !s.machine.Draining() {
		s.machine.Drain(s.loop.r.Now())
		dst = s.machine.Transmit(dst, limit-len(dst))
	}
	if n := len(dst) - start; n > 0 {
		s.sending.add(s.conn.Queued(), n, s.loop.instant())
		if s.rare != nil {
			s.rare.output += int64(n)
		}
	}
	if s.machine.Done() {
		s.peerGone()
		s.closeConn()
	}
	s.loop.flushEnded()
	s.watch()
	return dst
}

// closeConn closes the connection after its output is sent.
func (s *h2Session) closeConn() {
	if s.fin {
		s.conn.CloseFlushed()
	} else {
		s.conn.Linger()
	}
}

// EOF implements reactor.Session. Responses are still sent, as far as the peer's windows are open.
func (s *h2Session) EOF() bool {
	s.loop.tick()
	s.fin = true
	s.halfClose()
	for x := range s.unfinished() {
		if !x.extended {
			x.ends(spi.EndedByClient, "")
			s.cutOff(x, 400, "the request ends before it is complete")
		}
	}
	s.machine.EOF()
	s.feed(nil)
	s.conn.Touch()
	return s.machine.Streams() > 0
}

// Closed implements reactor.Session.
func (s *h2Session) Closed(err error) {
	if err == reactor.ErrMadeRoom {
		s.loop.refused(HalfClosedTimeout, s.conn, err)
	}
	s.gone(err)
	s.requestsEnded()
	s.machine.Close()
	s.loop.count.http2.publish(&s.loop.h2.Stats)
	s.loop.load.connections.Add(-1)
	s.loop.load.streams.Add(int64(-s.streams))
	s.loop.flushEnded()
}

// Timeout implements reactor.Session.
func (s *h2Session) Timeout() {
	s.loop.tick()
	now := s.loop.instant()
	if reason, misses := s.notReading(&s.sending); misses {
		s.loop.refused(reason, s.conn, nil)
		s.endAll(spi.EndedBySlow, reason.String())
		s.peerGone()
		s.conn.Close()
		return
	}
	if d := s.machine.Deadline(); !d.IsZero() && !s.loop.r.Now().Before(d) {
		leaving := s.machine.Draining()
		if err := s.machine.Expire(s.loop.r.Now()); err != nil { // Next returns it again
			s.countFailure(err, true)
		}
		s.feed(nil)
		if !leaving && s.machine.Draining() {
			s.aged.Store(true)
			s.notifyDrain()
		}
	}
	if s.bodyBy.passed(now) {
		s.expireBodies(now)
	}
	if r := s.rare; r != nil && r.readersBy.passed(now) {
		s.checkReaders(now)
	}
	if s.idleBy().passed(now) {
		s.loop.refused(IdleTimeout, s.conn, nil)
		s.machine.Drain(s.loop.r.Now())
	}
	s.conn.Touch()
	s.watch()
}

// idleBy returns when the connection ends if no request arrives; 0 if one is in progress, or the connection
// drains. Other frames do not count.
func (s *h2Session) idleBy() instant {
	if s.machine.Streams() > 0 || s.machine.Draining() {
		return 0
	}
	return s.lastActive.after(s.loop.server.config.IdleTimeout)
}

// IdleSince implements reactor.IdleSession.
func (s *h2Session) IdleSince() time.Duration {
	if s.machine.Streams() > 0 || s.conn.Queued() > 0 {
		return 0
	}
	return time.Duration(s.lastActive)
}

// watch sets the time of the next Timeout.
func (s *h2Session) watch() {
	if n := s.machine.Streams(); n != s.streams || s.accepted {
		s.accepted = false
		s.loop.load.streams.Add(int64(n - s.streams))
		s.streams = n
		s.lastActive = s.loop.instant()
	}
	by := earlier(s.idleBy(), s.readingBy(&s.sending))
	if s.loop.server.config.MinReadRate > 0 && s.machine.WindowsClosed() {
		by = earlier(by, s.readersBy())
	}
	setTimeoutAt(s.conn, earlier(earlier(by, s.bodyBy), s.loop.moment(s.machine.Deadline())))
}

// drain implements drainer: it tells the peer to open no more streams.
func (s *h2Session) drain() {
	s.loop.tick()
	s.machine.Drain(s.loop.r.Now())
	s.notifyDrain()
	s.conn.Touch()
	s.watch()
}

// drainAlone tells the peer to open no more streams. Open requests are not told: they may last as long as they like.
func (s *h2Session) drainAlone() {
	s.loop.tick()
	s.machine.Drain(s.loop.r.Now())
	s.conn.Touch()
}

// notifyDrain tells open requests and WebSockets that the connection is draining, so that those without an end of
// their own can end.
func (s *h2Session) notifyDrain() {
	s.served.notifyDrain()
	for _, k := range s.sockets() {
		k.goAway()
		k.watch()
	}
}

// agedOut implements session.
func (s *h2Session) agedOut() bool { return s.aged.Load() }

// respond implements session.
func (s *h2Session) respond(x *exchange, status int, fields app.Fields, c content) error {
	err := s.machine.Respond(h2.StreamID(x.id), &h2.Response{Status: status, Fields: fields, Bytes: c.bytes, Source: c.source, Length: c.length, Sensitive: c.sensitive})
	if errors.Is(err, h2.ErrStream) {
		return app.ErrPeerGone
	}
	s.touch()
	return err
}

// touch has output sent. Where more of it may soon follow, from other streams, it waits for that.
func (s *h2Session) touch() {
	if s.machine.Streams() > 1 {
		s.conn.TouchAfterPoll()
		return
	}
	s.conn.Touch()
}

// inform implements session.
func (s *h2Session) inform(x *exchange, status int, fields app.Fields) error {
	err := s.machine.Inform(h2.StreamID(x.id), status, fields)
	s.conn.Touch()
	return err
}

// resume implements transport.
func (s *h2Session) resume(x *stream) {
	s.loop.tick()
	s.machine.Resume(h2.StreamID(x.id))
	s.touch()
}

// abort implements transport.
func (s *h2Session) abort(x *stream) {
	s.machine.Reset(h2.StreamID(x.id), h2.CodeInternalError)
	s.conn.Touch()
}

// want implements transport. The windows are open already; only a client that expects a 100 must be told.
func (s *h2Session) want(x *stream) {
	if b := x.in; b.asked == 0 && b.taken == 0 && b.expects {
		// RFC 9110 section 10.1.1: the expectation holds for every version of HTTP.
		_ = s.machine.Inform(h2.StreamID(x.id), 100, nil)
		s.conn.Touch()
	}
	x.in.asked = s.loop.instant()
	if s.loop.server.config.MinContentRate > 0 {
		x.in.await(x.in.asked, s.ensureRare().content)
	}
	if by := s.contentBy(x.in); s.bodyBy == 0 || by < s.bodyBy {
		s.bodyBy = by
		s.conn.Touch()
	}
}

// consumed implements transport.
func (s *h2Session) consumed(x *stream, n int) {
	s.machine.Consumed(h2.StreamID(x.id), n)
	s.conn.Touch()
}
