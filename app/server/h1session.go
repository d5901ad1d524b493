//go:build linux

package server

import (
	"errors"
	"io"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/reactor"
)

// h1Session binds one HTTP/1 connection: the machine and its exchanges. It holds no buffer: input that
// waits for the application stays with the reactor, and the socket is not read.
type h1Session struct {
	peer
	machine h1.Conn
	reading *exchange // its content is arriving
	next    *h1Socket // what the connection switches to; nil: it does not
	sending progress
	input   h1Input
	ending  h1Drain

	pendingAtPause uint16 // requests that were pending when the machine blocked
}

var _ reactor.Session = (*h1Session)(nil)

func newH1Session(p peer) *h1Session {
	s := &h1Session{peer: p}
	s.session = s
	s.machine.Init(p.loop.h1)
	return s
}

// Receive implements reactor.Session.
func (s *h1Session) Receive(in []byte) int {
	s.loop.tick()
	if s.machine.Phase() != h1.InHead {
		// A head has its time from its first byte, however many pieces come.
		s.moved = s.loop.instant()
	}
	s.input.step(inputResume)
	used := 0
	for {
		if s.reading != nil && !s.demands() {
			s.input.step(inputPause)
			break
		}
		n, more := s.step(in[used:])
		used += n
		if !more {
			break
		}
		if s.loop.r.Charge(unitsPerEvent); used < len(in) && s.loop.r.Spent() {
			s.conn.Yield()
			return used
		}
	}
	if s.machine.Phase() == h1.InContent {
		// From now on more of it is waited for.
		s.moved = s.loop.instant()
	}
	switch {
	case s.input.paused():
		s.conn.Pause()
	case s.input.last():
		s.end()
	}
	return used
}

// demands says that content of the request may be taken from the socket: the application waits for it, or
// has answered and will never want it.
func (s *h1Session) demands() bool {
	x := s.reading
	return x.in.waiting() || x.ended || x.gone
}

// goesOn says that what reading waited for has come: the application's demand, or an answer that has left.
func (s *h1Session) goesOn() bool {
	if s.reading != nil {
		return s.demands()
	}
	return s.machine.Pending() < int(s.pendingAtPause)
}

// readOn ends a pause: from now on the peer is waited for.
func (s *h1Session) readOn() {
	s.input.step(inputResume)
	s.moved = s.loop.instant()
	s.conn.Resume()
	if s.conn.Kept() == 0 {
		// The end of content needs no further input to be told.
		s.Receive(nil)
	}
}

// step takes one event from the machine.
func (s *h1Session) step(in []byte) (n int, more bool) {
	ev := s.loop.event1
	n, err := s.machine.Next(in, ev)
	if err != nil {
		s.malformed(err)
		return len(in), false
	}
	switch ev.Kind {
	case h1.Request:
		s.accept(ev)
	case h1.Data:
		s.deliver(ev.Data)
	case h1.End:
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

// accept makes an exchange of a request and runs its handler.
func (s *h1Session) accept(ev *h1.Event) {
	head := &ev.Head
	x := s.open(ev.ID)
	x.Method, x.Authority, x.Target = head.Method, head.Authority, head.Target
	x.RawPath, x.RawQuery, x.Protocol = head.Path, head.Query, app.HTTP11
	if head.Minor == 0 {
		x.Protocol = app.HTTP10
	}
	x.Scheme = s.scheme()
	x.ContentLength = head.ContentLength
	x.setFields(head.Fields)
	s.moved = s.loop.turnInstant()
	if head.ContentLength != 0 {
		x.in = &inbound{shell: x}
		s.reading = x
	}
	x.admit()
}

func (s *h1Session) deliver(data []byte) {
	if x := s.reading; !x.ended && !x.gone {
		x.deliver(data)
	}
}

func (s *h1Session) complete(trailers []app.Field) {
	x := s.reading
	s.reading = nil
	x.in.trailers = append(app.Fields(nil), trailers...)
	x.endInput(io.EOF)
}

// malformed: the machine has refused what came.
func (s *h1Session) malformed(err error) {
	s.loop.refused(MalformedHTTP1, s.conn, err)
	s.refuse(err)
}

// refuse: the machine has queued its answer; the request that it concerns can have no other.
func (s *h1Session) refuse(err error) {
	x := s.reading
	s.countRefusal(x, err)
	if x != nil {
		s.reading = nil
		if _, refused := s.machine.Refused(x.id); x.answered && !x.ended && !refused {
			// What is being sent may well be made of the content that is missing.
			s.machine.Abort(x.id)
		}
		x.cut(err)
	}
	s.conn.Touch()
}

// countRefusal counts the answer of the machine, unless one of x's is out.
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
	start := len(dst)
	dst = s.machine.Transmit(dst, room)
	if len(dst) > start {
		s.moved = s.loop.instant()
		s.sending.begin(s.moved)
	}
	if s.turned() {
		return dst
	}
	if id := s.machine.Held(); id != 0 {
		s.releaseHead(id)
	}
	s.settle()
	return dst
}

// releaseHead lets a final head that waits behind an informational one leave in the next turn, unless all of
// the response waits for content of the request: that releases it, in another segment for sure.
func (s *h1Session) releaseHead(id uint64) {
	if x := s.reading; x != nil && x.id == id && x.in.waiting() && x.out != nil && x.out.empty() {
		return
	}
	s.loop.r.Post(func() {
		s.machine.Resume(id)
		s.conn.Touch()
	})
}

// settle follows a turn: a connection that is over is closed, reading goes on where answers have made room,
// and the time is set at which to look again.
func (s *h1Session) settle() {
	if done, linger := s.machine.Done(); done {
		s.part(linger && s.ending != drainVacant)
	} else if s.input.paused() && s.goesOn() {
		s.readOn()
	}
	s.watch()
}

// part ends the connection.
func (s *h1Session) part(linger bool) {
	s.peerGone()
	switch {
	case s.machine.Resets():
		// Only the reset tells the peer that the content was cut.
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
	s.moved = s.loop.instant()
	s.halfClose()
	switch {
	case s.conn.Kept() == 0:
		s.end()
	case !s.input.paused():
		// Nothing will follow what waits for more.
		s.conn.Resume()
	}
	s.conn.Touch()
	return s.conn.Kept() > 0 || s.machine.Pending() > 0
}

// end tells the machine of the peer's FIN, once it has had every byte before it.
func (s *h1Session) end() {
	if err := s.machine.EOF(); err != nil {
		s.malformed(err)
	}
}

// Closed implements reactor.Session.
func (s *h1Session) Closed(err error) {
	if err == reactor.ErrMadeRoom {
		s.loop.refused(HalfClosedTimeout, s.conn, err)
	}
	s.peerGone()
	if s.next != nil {
		s.next.peerGone(app.ErrPeerGone) // before the connection has switched
	}
	s.machine.Release()
}

// watch sets the time at which to look whether the peer has acted.
func (s *h1Session) watch() {
	if s.conn.Queued() > 0 {
		// It is to read first: its time to send begins behind that.
		s.moved = s.loop.instant()
	}
	by := earlier(earlier(s.readBy(), s.halfClosedBy()), s.sending.by(s.conn, s.loop.instant(), s.loop.server.config.WriteTimeout))
	lookAt(s.conn, by)
}

// readBy is when something must have come from the peer; 0: it is not its turn.
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
		return s.moved.after(c.BodyTimeout)
	case h1.InHead:
		by := s.moved.after(c.HeadTimeout)
		if drainBy := s.loop.drainBy(); drainBy != 0 {
			by = earlier(by, max(drainBy, s.moved.after(headGrace)))
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
			return now.after(readTime)
		default:
			return s.moved.after(c.IdleTimeout)
		}
	}
	return 0
}

// halfClosedBy is when something must have been written to a peer that has sent its FIN: it may well be gone.
// What it takes of that is for the write timeout.
func (s *h1Session) halfClosedBy() instant {
	if !s.input.last() || s.conn.Queued() > 0 {
		return 0
	}
	return s.moved.after(s.loop.server.config.HalfClosedTimeout)
}

// Timeout implements reactor.Session.
func (s *h1Session) Timeout() {
	now := s.loop.instant()
	if s.sending.stuck(s.conn, now, s.loop.server.config.WriteTimeout) {
		s.loop.refused(WriteTimeout, s.conn, nil)
		s.peerGone()
		s.conn.Reset()
		return
	}
	switch {
	case s.halfClosedBy().passed(now):
		s.loop.refused(HalfClosedTimeout, s.conn, nil)
		s.peerGone()
		s.conn.Close()
		return
	case s.ending.waits():
		return // Transmit follows, and sees to it
	case s.readBy().passed(now):
		s.late()
		return
	}
	s.watch()
}

// late ends a connection whose peer has not sent in time.
func (s *h1Session) late() {
	switch s.machine.Phase() {
	case h1.InHead:
		s.loop.refused(HeadTimeout, s.conn, nil)
	case h1.InContent:
		s.loop.refused(BodyTimeout, s.conn, nil)
	default:
		s.loop.refused(IdleTimeout, s.conn, nil)
		s.conn.CloseFlushed()
		return
	}
	// RFC 9110 section 15.5.9.
	err := &h1.Error{Status: 408, Reason: "the request did not arrive in time"}
	s.machine.Refuse(err)
	s.refuse(err)
}

// drain implements drainer: what has come is answered, then the connection ends.
func (s *h1Session) drain() {
	if !s.vacates() {
		s.endBehindRequests()
		return
	}
	if s.moved.after(recently).passed(s.loop.instant()) {
		s.ending.step(drainSilent)
	} else {
		s.ending.step(drainRecent)
	}
	s.conn.Touch()
}

// recently is for how long a connection that has no request counts as active: it may well have sent the next one
// already.
const recently = 2 * time.Second

// headGrace is how long a head may take that begins at the end of a drain.
const headGrace = 250 * time.Millisecond

// readTime is how long a loop may take to read what is in a socket.
const readTime = 50 * time.Millisecond

// vacates reports whether the connection has no request, nor a part of one.
func (s *h1Session) vacates() bool {
	return s.machine.Pending() == 0 && s.machine.Phase() == h1.Between
}

// endIfVacant is called before output is pulled. It ends a connection on which no request has come, and looks at the
// socket right before: a busy loop may not have got to it. A request that has come is the last one, and its
// answer says so.
func (s *h1Session) endIfVacant() {
	if !s.vacates() {
		s.endBehindRequests()
		return
	}
	if s.ending == drainActive && !s.loop.drainBy().passed(s.loop.instant()) || s.conn.Waiting() {
		return
	}
	s.ending.step(drainTimeout)
	s.machine.Drain()
}

// endBehindRequests has the connection end behind the requests that have come, one that has come in part
// included.
func (s *h1Session) endBehindRequests() {
	s.ending.step(drainBusy)
	s.machine.Drain()
	s.notifyDrain()
	if s.next != nil {
		s.next.goAway()
	}
	s.conn.Touch()
}

// retires implements session: a connection ends between requests only.
func (s *h1Session) retires() bool { return false }

// respond implements session.
func (s *h1Session) respond(x *exchange, status int, fields app.Fields, c content) error {
	err := s.machine.Respond(x.id, &h1.Response{Status: status, Fields: fields, Bytes: c.bytes, Source: c.source, Length: c.length})
	if errors.Is(err, h1.ErrGone) {
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

// want implements transport: content comes from the socket only when it is wanted.
func (s *h1Session) want(x *stream) {
	s.machine.Continue(x.id)
	s.conn.Touch()
}

// consumed implements transport: the socket's own window is the only one.
func (s *h1Session) consumed(*stream, int) {}
