//go:build linux

package server

// contentBy returns when the rate of the content is to be checked; 0 if nobody waits for it. A request that was
// answered waits for the rest of its content.
func (s *h1Session) contentBy() instant {
	x, now := s.reading, s.loop.instant()
	if s.input.paused() || x.conversation() && !x.ended {
		return 0
	}
	if x.ended {
		x.in.await(now, x.in.taken)
	}
	if p := x.in.pace; p != nil && s.conn.Queued() > 0 {
		p.restart(now, x.in.taken) // the peer has to read first
	}
	return x.in.pace.by(now, &s.loop.server.config)
}

// contentTooSlow reports whether content has arrived below the limit. Content that was not read yet has arrived.
func (s *h1Session) contentTooSlow(now instant) bool {
	x := s.reading
	if x == nil || s.input.paused() || x.conversation() && !x.ended || s.conn.Queued() > 0 {
		return false
	}
	return x.in.pace.tooSlow(now, x.in.taken, &s.loop.server.config) && !s.conn.Waiting()
}
