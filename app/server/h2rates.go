//go:build linux

package server

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/pace"
)

// h2Rare is the state that few HTTP/2 connections need.
type h2Rare struct {
	messages  memory  // of incomplete WebSocket messages
	content   int64   // bytes of requests that have arrived since there is this state
	output    int64   // bytes that were sent since the last check of readers
	since     instant // time of the last check of readers
	readersBy instant // time of the next; 0: none
}

func (s *h2Session) ensureRare() *h2Rare {
	if s.rare == nil {
		s.rare = new(h2Rare)
	}
	return s.rare
}

// readersBy returns when to check whether the windows of the peer open fast enough, which they have not done lately.
func (s *h2Session) readersBy() instant {
	r := s.ensureRare()
	if r.readersBy == 0 {
		s.planReaders(s.loop.instant())
		s.machine.CheckReaders(false)
	}
	return r.readersBy
}

func (s *h2Session) planReaders(now instant) {
	s.rare.output, s.rare.since = 0, now
	s.rare.readersBy = now.after(s.loop.server.config.RateWindow)
}

// checkReaders resets the streams whose windows have held up content since the last check, if the peer has let less than
// the limit of all output pass.
func (s *h2Session) checkReaders(now instant) {
	r := s.rare
	passed := time.Duration(now - r.since)
	slow := pace.Below(r.output, passed, s.loop.server.config.MinReadRate) && !s.conn.Waiting()
	if s.machine.CheckReaders(slow) > 0 {
		s.planReaders(now)
	} else {
		r.readersBy = 0
	}
	s.feed(nil)
}

// leastWindow is the window of a connection, in bytes, below which the peer may be unable to send.
const leastWindow = 16 << 10

// contentTooSlow reports whether content of all requests has arrived below the limit while the application has waited
// for that of b. It is no fault of the peer's if content that was not read yet has arrived, if the connection's window
// is closed, or if the output with a WINDOW_UPDATE waits.
func (s *h2Session) contentTooSlow(b *inbound, now instant) bool {
	p := b.pace
	if p == nil || !p.tooSlow(now, s.rare.content, &s.loop.server.config) {
		return false
	}
	return s.machine.ReceiveWindow() >= leastWindow && s.conn.Queued() == 0 && !s.conn.Waiting()
}
