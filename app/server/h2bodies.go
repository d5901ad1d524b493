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

// expireBodies cuts off requests for whose content the application has waited for BodyTimeout, or whose content arrives
// too slowly, and sets the time at which to check the others.
func (s *h2Session) expireBodies(now instant) {
	s.bodyBy = 0
	for x := range s.unfinished() {
		switch {
		case !x.in.waiting() || x.conversation():
		case x.in.asked.after(s.loop.server.config.BodyTimeout).passed(now):
			s.refuseSlow(x, BodyTimeout, "the request did not arrive in time")
		case s.contentTooSlow(x.in, now):
			s.refuseSlow(x, SlowContent, "the content arrives too slowly")
		default:
			s.bodyBy = earlier(s.bodyBy, s.contentBy(x.in))
		}
	}
}

// contentBy returns when to check on the content for which the application waits; 0 is never.
func (s *h2Session) contentBy(b *inbound) instant {
	c := &s.loop.server.config
	return earlier(b.asked.after(c.BodyTimeout), b.pace.by(s.loop.instant(), c))
}

// refuseSlow ends a request whose content misses a limit.
func (s *h2Session) refuseSlow(x *exchange, reason Reason, text string) {
	s.loop.server.refusedRequest(reason, x, nil)
	x.endsFor(reason)
	s.cutOff(x, 408, text)
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
