//go:build linux

package server

import (
	"iter"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h2"
)

// unfinished yields the requests whose content is incomplete. The loop body may end the one that it got.
func (s *h2Session) unfinished() iter.Seq[*exchange] {
	return func(yield func(*exchange) bool) {
		for x := s.live; x != nil; {
			next := x.next
			if x.in != nil && x.in.err == nil && !yield(x) {
				return
			}
			x = next
		}
	}
}

// expireBodies cuts off requests for whose content the application has waited for BodyTimeout, and sets the time
// at which to check the others.
func (s *h2Session) expireBodies(now instant) {
	s.bodyBy = 0
	for x := range s.unfinished() {
		if !x.in.waiting() || x.answered && x.ContentLength < 0 {
			// Content of unknown length that is answered as it arrives is a conversation: those of gRPC
			// may be silent for hours.
			continue
		}
		by := x.in.asked.after(s.loop.server.config.BodyTimeout)
		if by.passed(now) {
			s.loop.server.refusedRequest(BodyTimeout, x, nil)
			x.endsFor(BodyTimeout)
			s.cutOff(x, 408, "the request did not arrive in time")
		} else {
			s.bodyBy = earlier(s.bodyBy, by)
		}
	}
}

// cutOff ends a request whose content will not be complete, with that status if nothing of its response has left.
func (s *h2Session) cutOff(x *exchange, status int, reason string) {
	err := app.Statusf(status, "%s", reason)
	switch {
	case !x.answered:
		x.answer(nil, err)
	case x.ended:
	case s.machine.Refuse(h2.StreamID(x.id), status, reason):
		s.loop.count.withdrawn(app.HTTP2, x.response.Status)
		s.loop.count.response(app.HTTP2, status)
		x.status = uint16(status)
	default:
		// The response may depend on the content that is missing.
		s.machine.Reset(h2.StreamID(x.id), h2.CodeCancel)
	}
	x.cut(err)
	s.conn.Touch()
}
