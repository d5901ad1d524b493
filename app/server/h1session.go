//go:build linux

package server

import (
	"errors"
	"io"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/reactor"
)

// h1Session connects the machine of one HTTP/1 connection with its exchanges. All methods run on the connection's
// loop. It holds no buffer: input that waits for the application stays with the reactor, and the socket is not read.
type h1Session struct {
	served
	machine h1.Conn
	reading *exchange  // whose content is arriving, or nil
	next    *successor // what the connection switches to, or nil
	sending progress
	input   h1Input
	ending  h1Drain

	pendingAtPause uint16 // requests that were pending when the machine blocked
	opened         uint32 // Loop.Age at the start, in seconds
}

var _ reactor.IdleSession = (*h1Session)(nil)

func newH1Session(p connection) *h1Session {
	s := &h1Session{served: served{connection: p}, opened: p.loop.ageInSeconds()}
	s.session = s
	s.machine.Init(p.loop.h1)
	p.loop.count.http1.Add(1)
	return s
}

// Receive implements reactor.Session.
func (s *h1Session) Receive(in []byte) int {
	s.loop.tick()
	if s.machine.Phase() != h1.InHead {
		// The timeout of a head starts at its first byte, however many pieces arrive.
		s.lastActive = s.loop.instant()
	}
	s.input.step(inputResume)
	s.loop.count.beginBatch()
	used, spent := s.readInput(in)
	s.loop.count.endBatch()
	s.loop.block = nil
	if spent {
		s.conn.Yield()
		return used
	}
	if s.machine.Phase() == h1.InContent {
		// The wait for more content starts now.
		s.lastActive = s.loop.instant()
	}
	switch {
	case s.input.paused():
		s.conn.Pause()
	case s.input.last():
		s.endInput(in[used:])
	}
	return used
}

// readInput handles events of the machine until it needs more input, the application or answers. It returns how many bytes
// were consumed. spent reports that it has stopped because the budget of the turn is used up.
func (s *h1Session) readInput(in []byte) (used int, spent bool) {
	for {
		if s.reading != nil && !s.demands() {
			s.input.step(inputPause)
			return used, false
		}
		n, more := s.step(in[used:])
		used += n
		if !more {
			return used, false
		}
		if s.loop.r.Charge(unitsPerEvent); used < len(in) && s.loop.r.Spent() {
			return used, true
		}
	}
}

// demands reports whether content of the request may be read: the application waits for it, or has answered and
// will not read it.
func (s *h1Session) demands() bool {
	x := s.reading
	return x.in.waiting() || x.ended || x.gone
}

// mayResume reports whether the reason of a pause is gone: the application waits for content, or an answer has left.
func (s *h1Session) mayResume() bool {
	if s.reading != nil {
		return s.demands()
	}
	return s.machine.Pending() < int(s.pendingAtPause)
}

// resumeReading ends a pause. The wait for the peer starts now.
func (s *h1Session) resumeReading() {
	s.input.step(inputResume)
	s.lastActive = s.loop.instant()
	s.conn.Resume()
	if s.conn.Kept() == 0 {
		// The event at the end of content needs no further input.
		s.Receive(nil)
	}
}

// step handles one event of the machine. It returns how many bytes of in were consumed, and whether to continue.
func (s *h1Session) step(in []byte) (n int, more bool) {
	ev := s.loop.h1Event
	n, err := s.machine.Next(in, ev)
	if err != nil {
		s.malformed(err, in)
		return len(in), false
	}
	switch ev.Kind {
	case h1.Request:
		s.accept(ev, n, len(in)-n)
	case h1.Data:
		s.reading.received(n)
		s.deliver(ev.Data)
	case h1.End:
		s.reading.received(n)
		s.complete(ev.Trailers)
	case h1.Blocked:
		s.input.step(inputPause)
		s.pendingAtPause = uint16(s.machine.Pending())
		return n, false
	default:
		return n, false
	}
	return n, true
}

// accept creates the exchange of a request and runs its handler. size is that of the head, rest that of the input behind
// it.
func (s *h1Session) accept(ev *h1.Event, size, rest int) {
	head := &ev.Head
	x := s.newExchange(head, size, rest)
	s.openIn(x, ev.ID)
	x.Method, x.Authority, x.Target = head.Method, head.Authority, head.Target
	x.RawPath, x.RawQuery, x.Protocol = head.Path, head.Query, app.HTTP11
	if head.Minor == 0 {
		x.Protocol = app.HTTP10
	}
	x.Scheme = s.scheme()
	x.ContentLength = head.ContentLength
	x.setFields(head.Fields)
	if o := x.seen; o != nil {
		o.number, o.received, o.head = x.id, int64(size), s.headTime()
	}
	s.lastActive = s.loop.turnInstant()
	if head.ContentLength != 0 {
		x.in = &inbound{owner: x}
		s.reading = x
	}
	x.admit()
}

// headTime returns the time for which the head that was read last, or is being read, has been arriving.
func (s *h1Session) headTime() time.Duration {
	return max(time.Duration(s.loop.turnInstant()-s.lastActive), 0)
}

// deliver passes content to the application, unless it has answered.
func (s *h1Session) deliver(data []byte) {
	if x := s.reading; !x.ended && !x.gone {
		x.deliver(data)
	}
}

// complete ends the content of a request.
func (s *h1Session) complete(trailers []app.Field) {
	x := s.reading
	s.reading = nil
	x.in.trailers = append(app.Fields(nil), trailers...)
	x.endInput(io.EOF)
}

// malformed counts and logs input that the machine has refused, and ends its request. in is the input from the part
// that was refused.
func (s *h1Session) malformed(err error, in []byte) {
	s.loop.refused(MalformedHTTP1, s.conn, err)
	by, reason := enderOfRefusal(err)
	s.endRefused(err, by, reason, in)
}

// enderOfRefusal returns who has ended a request that the machine has refused, and the label of the reason.
func enderOfRefusal(err error) (by spi.Ender, reason string) {
	refused, _ := errors.AsType[*h1.Error](err)
	switch {
	case refused == nil:
	case refused.Incomplete():
		return spi.EndedByClient, ""
	case refused.Status == 413:
		return spi.EndedByLimit, bodyLimit
	case refused.Status == 414, refused.Status == 431:
		return spi.EndedByLimit, MalformedHTTP1.String()
	}
	return spi.EndedByMalformed, MalformedHTTP1.String()
}

// endRefused ends the request whose head or content was refused. The machine has queued its own answer.
func (s *h1Session) endRefused(err error, by spi.Ender, reason string, in []byte) {
	x := s.reading
	s.observeRefusal(err, by, reason, in)
	s.countRefusal(x, err)
	if x != nil {
		s.reading = nil
		if _, refused := s.machine.Refused(x.id); x.answered && !x.ended && !refused {
			// The response may be made of the content that is missing.
			s.machine.Abort(x.id)
		}
		x.cut(err)
	}
	s.conn.Touch()
}

// observeRefusal records who has ended the request that was refused, or tells the observers of its head.
func (s *h1Session) observeRefusal(err error, by spi.Ender, reason string, in []byte) {
	if s.reading != nil {
		s.reading.ends(by, reason)
		return
	}
	status, protocol := 0, ""
	if refused, ok := errors.AsType[*h1.Error](err); ok && refused.Status != 0 {
		status, protocol = refused.Status, app.HTTP11
	}
	if o := s.refusedHead(protocol, 0, status, by, reason, in); o != nil {
		o.number, o.head = s.machine.Requests(), s.headTime()
		if status == 0 {
			o.number++ // the machine has not counted it
		}
	}
}

// countRefusal counts the answer of the machine, unless the head of x's own has left.
func (s *h1Session) countRefusal(x *exchange, err error) {
	var refused *h1.Error
	if !errors.As(err, &refused) || refused.Status == 0 {
		return
	}
	if x == nil {
		s.loop.count.response(app.HTTP11, refused.Status)
		return
	}
	if withdrawn, ok := s.machine.Refused(x.id); ok {
		if withdrawn != 0 {
			s.loop.count.withdrawn(x.Protocol, withdrawn)
		}
		x.status = uint16(refused.Status)
		s.loop.count.response(x.Protocol, refused.Status)
	}
}

// Transmit implements reactor.Session.
func (s *h1Session) Transmit(dst []byte, room int) []byte {
	s.loop.tick()
	if s.ending.waits() {
		s.endIfVacant()
	}
	if s.loop.server.leaving.Load() && s.ending == drainNone {
		s.endAfterNewest()
	}
	start := len(dst)
	dst = s.machine.Transmit(dst, room)
	if len(dst) > start || s.conn.FileSent() {
		s.lastActive = s.loop.instant()
		s.sending.begin(s.lastActive)
	}
	s.loop.flushEnded()
	if s.switchSession() {
		return dst
	}
	if id := s.machine.Held(); id != 0 {
		s.releaseHead(id)
	}
	s.finishTurn()
	return dst
}

// releaseHead sends the final head that is held after an informational one in the next turn. If the response waits
// for content of the request, that releases the head, which is then certain to leave in another segment.
func (s *h1Session) releaseHead(id uint64) {
	if x := s.reading; x != nil && x.id == id && x.in.waiting() && x.out != nil && x.out.empty() {
		return
	}
	s.loop.r.Post(func() {
		s.machine.Resume(id)
		s.conn.Touch()
	})
}

// finishTurn closes a connection that is over, resumes reading if answers have left, and sets the next timeout.
func (s *h1Session) finishTurn() {
	if done, linger := s.machine.Done(); done {
		s.close(linger && s.ending != drainVacant)
	} else if s.input.paused() && s.mayResume() {
		s.resumeReading()
	}
	s.setTimeout()
}

// close ends the connection. linger discards input for a while, so that the peer can read the last answer.
func (s *h1Session) close(linger bool) {
	s.endAnswered()
	if s.ending != drainNone {
		s.endAll(spi.EndedByDrain, "")
	} else {
		s.endAll(spi.EndedByHandler, "") // of an earlier request, whose response was cut or is the last one
	}
	s.peerGone()
	switch {
	case s.machine.Resets():
		// Only a reset tells the peer that the content was cut.
		s.conn.Reset()
	case linger:
		s.conn.Linger()
	default:
		s.conn.CloseFlushed()
	}
}

// EOF implements reactor.Session.
func (s *h1Session) EOF() bool {
	s.input.step(inputFIN)
	s.lastActive = s.loop.instant()
	s.halfClose()
	switch {
	case s.conn.Kept() == 0:
		s.endInput(nil)
	case !s.input.paused():
		// An incomplete request waits for bytes that will not arrive.
		s.conn.Resume()
	}
	s.conn.Touch()
	return s.conn.Kept() > 0 || s.machine.Pending() > 0
}

// endInput tells the machine of the peer's FIN. Call it when the machine has got all bytes before it. in are those that
// it has not consumed.
func (s *h1Session) endInput(in []byte) {
	if err := s.machine.EOF(); err != nil {
		s.malformed(err, in)
	}
}

// Closed implements reactor.Session.
func (s *h1Session) Closed(err error) {
	if err == reactor.ErrMadeRoom {
		s.loop.refused(HalfClosedTimeout, s.conn, err)
	}
	s.loop.count.http1.Add(-1)
	if s.reading == nil && s.machine.Phase() == h1.InHead {
		by, reason := enderOfClose(err)
		s.observeRefusal(err, by, reason, s.conn.KeptInput())
	}
	s.gone(err)
	if s.next != nil {
		s.next.peerGone(err) // before the connection has switched
	}
	s.requestsEnded()
	s.machine.Release()
	s.loop.flushEnded()
	// A Receive that has panicked has not done these.
	s.loop.count.endBatch()
	s.loop.block = nil
}

// setTimeout sets the time at which Timeout checks whether the peer has acted.
func (s *h1Session) setTimeout() {
	if s.conn.Queued() > 0 {
		// The peer has to read first. Its time to send starts after that.
		s.lastActive = s.loop.instant()
	}
	by := earlier(earlier(s.readBy(), s.halfClosedBy()), s.readingBy(&s.sending))
	if s.reading != nil && s.loop.server.config.MinContentRate > 0 {
		by = earlier(by, s.contentBy())
	}
	setTimeoutAt(s.conn, by)
}

// readBy returns when something must have arrived from the peer, or 0 if nothing is expected.
func (s *h1Session) readBy() instant {
	c := &s.loop.server.config
	if s.input.paused() || s.conn.Queued() > 0 {
		return 0
	}
	if done, _ := s.machine.Done(); done {
		return 0
	}
	switch s.machine.Phase() {
	case h1.InContent:
		return s.lastActive.after(c.BodyTimeout)
	case h1.InHead:
		by := s.lastActive.after(c.HeadTimeout)
		if drainBy := s.loop.drainBy(); drainBy != 0 {
			by = earlier(by, max(drainBy, s.lastActive.after(headGrace)))
		}
		return by
	case h1.Between:
		switch {
		case s.machine.Pending() > 0:
		case s.ending.waits():
			now := s.loop.instant()
			if by := s.loop.drainBy(); s.ending == drainActive && !by.passed(now) {
				return by
			}
			return now.after(readGrace)
		default:
			return s.lastActive.after(c.IdleTimeout)
		}
	}
	return 0
}

// halfClosedBy returns when something must have been written to a peer that has sent FIN and may be gone, or 0.
// Whether the peer reads it is a matter of the write timeout.
func (s *h1Session) halfClosedBy() instant {
	if !s.input.last() || s.conn.Queued() > 0 {
		return 0
	}
	return s.lastActive.after(s.loop.server.config.HalfClosedTimeout)
}

// Timeout implements reactor.Session.
func (s *h1Session) Timeout() {
	now := s.loop.instant()
	if reason, misses := s.notReading(&s.sending); misses {
		s.loop.refused(reason, s.conn, nil)
		s.endAll(spi.EndedBySlow, reason.String())
		s.peerGone()
		s.conn.Reset()
		return
	}
	switch {
	case s.halfClosedBy().passed(now):
		s.loop.refused(HalfClosedTimeout, s.conn, nil)
		s.endAll(spi.EndedByClient, HalfClosedTimeout.String())
		s.peerGone()
		s.conn.Close()
		return
	case s.ending.waits():
		return // Transmit follows and calls endIfVacant
	case s.readBy().passed(now):
		s.readTimeout()
		return
	case s.contentTooSlow(now):
		s.refuseSlow(SlowContent, "the content arrives too slowly", spi.EndedBySlow)
		return
	}
	s.setTimeout()
}

// readTimeout ends a connection whose peer has not sent in time, with 408 if a request has begun.
func (s *h1Session) readTimeout() {
	reason := HeadTimeout
	switch s.machine.Phase() {
	case h1.InHead:
	case h1.InContent:
		reason = BodyTimeout
	default:
		s.loop.refused(IdleTimeout, s.conn, nil)
		s.conn.CloseFlushed()
		return
	}
	by := spi.EndedBySlow
	if reason == HeadTimeout && s.loop.drainBy().passed(s.loop.instant()) {
		by = spi.EndedByDrain // which has shortened the time
	}
	s.refuseSlow(reason, "the request did not arrive in time", by)
}

// refuseSlow ends the request that is arriving with 408 (RFC 9110 section 15.5.9).
func (s *h1Session) refuseSlow(reason Reason, text string, by spi.Ender) {
	err := &h1.Error{Status: 408, Reason: text}
	s.loop.refused(reason, s.conn, nil)
	s.machine.Refuse(err)
	s.endRefused(err, by, reason.String(), s.conn.KeptInput())
}

// drain implements drainer: requests that have arrived are answered, then the connection ends.
func (s *h1Session) drain() {
	if !s.vacant() {
		s.endAfterRequests()
		return
	}
	if s.lastActive.after(recentActivity).passed(s.loop.instant()) {
		s.ending.step(drainSilent)
	} else {
		s.ending.step(drainRecent)
	}
	s.conn.Touch()
}

// IdleSince implements reactor.IdleSession.
func (s *h1Session) IdleSince() time.Duration {
	if !s.vacant() || s.next != nil || s.conn.Queued() > 0 {
		return 0
	}
	return time.Duration(s.lastActive)
}

// recentActivity is how long after its last activity a connection without a request counts as active: its next request
// may be on its way.
const recentActivity = 2 * time.Second

// headGrace is how long a head may take that starts to arrive at the end of a drain.
const headGrace = 250 * time.Millisecond

// readGrace is how long a loop may take to read the content of a socket.
const readGrace = 50 * time.Millisecond

// vacant reports whether no request is pending and no part of one has arrived.
func (s *h1Session) vacant() bool {
	return s.machine.Pending() == 0 && s.machine.Phase() == h1.Between
}

// endIfVacant is called before output is pulled. It ends a connection on which no request has arrived in time. It
// looks at the socket right before, since a busy loop may not have read it. A request that has arrived is the last
// one, and its answer has Connection: close.
func (s *h1Session) endIfVacant() {
	if !s.vacant() {
		s.endAfterRequests()
		return
	}
	if s.ending == drainActive && !s.loop.drainBy().passed(s.loop.instant()) || s.conn.Waiting() {
		return
	}
	s.ending.step(drainTimeout)
	s.machine.Drain()
}

// endAfterRequests lets the connection end after the requests that have arrived, including one that has arrived in
// part.
func (s *h1Session) endAfterRequests() {
	s.ending.step(drainBusy)
	s.machine.Drain()
	s.notifyDrain()
	if s.next != nil {
		s.next.goAway()
	}
	s.conn.Touch()
}

// agedOut implements session: only HTTP/2 connections have an age limit.
func (s *h1Session) agedOut() bool { return false }

// respond implements session.
func (s *h1Session) respond(x *exchange, status int, fields app.Fields, c content) error {
	err := s.machine.Respond(x.id, &h1.Response{Status: status, Fields: fields, Bytes: c.bytes, Source: c.source, Length: c.length})
	if err == h1.ErrGone {
		return app.ErrPeerGone
	}
	s.conn.Touch()
	return err
}

// inform implements session.
func (s *h1Session) inform(x *exchange, status int, fields app.Fields) error {
	err := s.machine.Inform(x.id, status, fields)
	s.conn.Touch()
	return err
}

// resume implements transport.
func (s *h1Session) resume(x *stream) {
	s.machine.Resume(x.id)
	s.conn.Touch()
}

// abort implements transport.
func (s *h1Session) abort(x *stream) {
	s.machine.Abort(x.id)
	s.conn.Touch()
}

// want implements transport: the application waits for content, so that reading may resume.
func (s *h1Session) want(x *stream) {
	s.machine.Continue(x.id)
	if s.loop.server.config.MinContentRate > 0 {
		x.in.await(s.loop.instant(), x.in.taken)
	}
	s.conn.Touch()
}

// consumed implements transport: HTTP/1 has no flow control of its own.
func (s *h1Session) consumed(*stream, int) {}
