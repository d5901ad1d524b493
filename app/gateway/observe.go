package gateway

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// observe begins to note for the server's observers what becomes of the request. Without observers there is no note.
func (x *exchange) observe() {
	if x.note = spi.UpstreamOf(x.r); x.note != nil {
		x.note.Route, x.note.Backend = x.settings.pattern(), x.backend.name
	}
}

// pattern returns the pattern of the route; empty without one.
func (s *settings) pattern() string {
	if s.route == nil {
		return ""
	}
	return s.route.Pattern
}

// noteTry notes that a try begins, with the next peer; nil: there is none.
func (x *exchange) noteTry(next *peer, now time.Time) {
	u := x.note
	if u == nil || next == nil {
		return
	}
	u.Tries++
	u.Began, u.Connect, u.Head = now.Sub(x.r.Arrived), 0, 0
	if u.Peer = next.address; u.Peer == "" {
		u.Peer = next.url
	}
}

// sinceTry returns the time since the last try began, at least 1 ns.
func (x *exchange) sinceTry() time.Duration {
	return max(x.l.home.Now().Sub(x.r.Arrived)-x.note.Began, 1)
}

// Started implements client.Starter.
func (x *exchange) Started() {
	if x.note != nil {
		x.note.Connect = x.sinceTry()
	}
}

// endNote notes how the exchange has ended. The note is the server's again.
func (x *exchange) endNote() {
	u := x.note
	if u == nil {
		return
	}
	u.Reason = x.reason.String()
	if u.Tries > 0 {
		u.Total = x.sinceTry()
	}
	x.note = nil
}

// noteAnswer notes a response that is not a backend's.
func noteAnswer(r *app.Request, reason Reason) {
	if u := spi.UpstreamOf(r); u != nil {
		u.Reason = reason.String()
		spi.EndedBy(r, reason.Ender())
	}
}

// noteRoute notes the route of a request; s is nil if none was found.
func noteRoute(r *app.Request, s *settings) {
	if s == nil {
		return
	}
	if u := spi.UpstreamOf(r); u != nil {
		u.Route = s.pattern()
	}
}
