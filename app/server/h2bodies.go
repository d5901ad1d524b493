//go:build linux

package server

import (
	"iter"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h2"
)

// unfinished are the requests whose content has not come whole. Those that are given may end meanwhile.
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

// expireBodies cuts off the requests for whose content the application has waited too long, and sets the time
// at which to look at the others.
func (s *h2Session) expireBodies(now instant) {
	s.bodyBy = 0
	for x := range s.unfinished() {
		if !x.in.waiting() || x.answered && x.ContentLength < 0 {
			// What is being answered while it comes, and without a known length, is a conversation: those
			// of gRPC are silent for hours.
			continue
		}
		by := x.in.asked.after(s.loop.server.config.BodyTimeout)
		if by.passed(now) {
			s.loop.refused(BodyTimeout, s.conn, nil)
			s.cutOff(x, 408, "the request did not arrive in time")
		} else {
			s.bodyBy = earlier(s.bodyBy, by)
		}
	}
}

// cutOff ends a request whose content is not going to come whole.
func (s *h2Session) cutOff(x *exchange, status int, reason string) {
	err := app.Statusf(status, "%s", reason)
	switch {
	case !x.answered:
		x.answer(nil, err)
	case x.ended:
	case s.machine.Refuse(h2.StreamID(x.id), status, reason):
		s.loop.count.withdrawn(app.HTTP2, x.response.Status)
		s.loop.count.response(app.HTTP2, status)
	default:
		// What is being sent may well be made of the content that is missing.
		s.machine.Reset(h2.StreamID(x.id), h2.CodeCancel)
	}
	x.cut(err)
	s.conn.Touch()
}
