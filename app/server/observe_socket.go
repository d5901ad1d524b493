//go:build linux

package server

import (
	"strings"

	"github.com/gatewheel/gatewheel/app/spi"
)

// observe tells the observers that the request of x has become the WebSocket s, and keeps what they are told at its end: a
// request without fields, apart from x, which user code may use for as long as it likes.
func (s *socket) observe(x *exchange) {
	l := x.loop
	if x.seen == nil {
		return
	}
	x.seen.socket = true
	x.waited()
	if len(l.observers) == 0 {
		return
	}
	x.begun()
	c := x.connection
	if _, ok := x.session.(*h1Session); ok {
		kept := *c // the session is dropped when the connection has switched
		kept.session = nil
		c = &kept
	}
	k := &exchange{stream: stream{connection: c, id: x.id}, status: x.status, outcome: Upgraded, answered: true}
	k.Method, k.Authority, k.Target = strings.Clone(x.Method), strings.Clone(x.Authority), strings.Clone(x.Target)
	k.RawPath, k.RawQuery = strings.Clone(x.RawPath), strings.Clone(x.RawQuery)
	k.Scheme, k.Protocol, k.Arrived = x.Scheme, x.Protocol, x.Arrived
	k.subject = subjectOf(k.Method, strings.Clone(x.subject.Name()))
	spi.Bind(&k.Request, k, &c.info)
	if c.info.Trust != nil {
		k.Fields = x.Fields
		k.Client() // stays known
		k.Fields = nil
	}
	k.seen = l.observe()
	*k.seen = *x.seen
	k.seen.socket = false
	x.seen.upstream, x.seen.fields = nil, nil
	s.ensureRare().seen = k
}

// endsBy records who has ended the WebSocket. Later calls do nothing.
func (s *socket) endsBy(by spi.Ender, reason string) {
	if s.rare != nil && s.rare.seen != nil {
		s.rare.seen.ends(by, reason)
	}
}

// endsFor is endsBy for a reason of the server.
func (s *socket) endsFor(reason Reason) { s.endsBy(reasonTable[reason].by, reasonTable[reason].label) }

// tellEnd has the observers told that the WebSocket has ended, in this turn.
func (s *socket) tellEnd() {
	if s.rare == nil || s.rare.seen == nil {
		return
	}
	x := s.rare.seen
	s.rare.seen = nil
	x.ended = true
	x.sent = int64(s.machine.Sent())
	x.seen.received += s.rare.received
	x.in = &inbound{taken: s.rare.received}
	s.loop.ended = append(s.loop.ended, x)
	s.conn.Touch()
}
