//go:build linux

package reactor

import "io"

const (
	// spareSize (bytes) and sparesKept (buffers) bound the memory that a Loop keeps for unconsumed input,
	// which mostly is a part of one frame or head.
	spareSize  = 32 << 10
	sparesKept = 64
	// keptWhileYielded is the number of unconsumed bytes at which reading pauses on a connection that has
	// yielded.
	keptWhileYielded = 16 << 10
)

// inputs are the input buffers of a Loop.
type inputs struct {
	joint  []byte   // kept input followed by new input
	spares [][]byte // for unconsumed input
}

// read passes the bytes of one read from the socket to c. A panic closes c and no other connection.
func (l *Loop) read(c *Conn, in []byte) {
	defer l.contain()
	l.current = c
	c.feed(in)
	l.current = nil
}

// feed passes bytes from the socket to the filter or the session. raw is nil if the filter was woken or has work left.
func (c *Conn) feed(raw []byte) {
	c.Touch()
	if c.phase == phaseDiscarding {
		c.discard(len(raw))
		return
	}
	for {
		f := c.filter
		if f == nil {
			c.present(raw)
			return
		}
		err := f.receive(raw, c.loop.Load().deliver)
		switch {
		case c.Closed():
			return
		case err == io.EOF, err == ErrTruncated:
			c.streamEnded(err)
			return
		case err != nil && c.dialling() != nil:
			c.dialling().filterFailed(c, err)
			return
		case err != nil:
			// Input that still comes must not destroy the filter's last output, such as an alert.
			c.finish(lingerAsked, err)
			return
		case c.filter != f:
			raw = c.takeUnread()
			if len(raw) > 0 || c.filter == nil {
				continue
			}
		}
		if c.session == nil && c.filter.established() {
			c.open()
		}
		return
	}
}

// holdInput pauses reading because the filter has input left, or ends that pause.
func (c *Conn) holdInput(held bool) {
	if c.holds.set(heldByFilter, held) {
		c.Touch()
	}
}

// runFilter calls the filter without input, after its goroutine has made progress.
func (c *Conn) runFilter() {
	if c.filter != nil && c.phase < phaseDiscarding {
		c.feed(nil)
	}
}

// open opens the session. On a connection that is about to move, the session is opened on the next Loop.
func (c *Conn) open() {
	if c.departing() {
		return
	}
	c.deadline = 0
	if d := c.takeDialling(); d != nil {
		c.loop.Load().reactor.dials.opened.Add(1)
		c.session = d.config.Open(c)
	} else {
		c.session = c.loop.Load().reactor.sessionFor(c)
	}
	if c.session == nil && !c.Closed() {
		c.close(nil)
	}
}

// present passes plaintext to the session, after the kept input, and keeps the bytes that the session does not
// consume.
func (c *Conn) present(plain []byte) {
	if c.phase != phaseOpen {
		c.discard(len(plain))
		return
	}
	if c.session == nil {
		if c.open(); c.session == nil {
			if !c.Closed() {
				c.keep(append(c.kept, plain...))
			}
			return
		}
	}
	l := c.loop.Load()
	in := plain
	switch {
	case len(c.kept) == 0:
	case len(plain) <= len(c.kept):
		// In place, so that a head that arrives byte by byte is not copied each time.
		c.kept = append(c.kept, plain...)
		in = c.kept
	default:
		l.in.joint = append(append(l.in.joint[:0], c.kept...), plain...)
		in = l.in.joint
	}
	for len(in) > 0 && c.takesInput() {
		c.switched = false
		in = in[c.session.Receive(in):]
		if !c.switched {
			break
		}
	}
	if c.phase != phaseOpen {
		c.dropKept()
		return
	}
	c.keep(in)
	poison(plain)
}

// takesInput reports whether the session takes input now.
func (c *Conn) takesInput() bool {
	return c.phase == phaseOpen && !c.holds.has(heldBySession) && c.input != inputNextTurn && !c.departing()
}

// keep stores the unconsumed input.
func (c *Conn) keep(rest []byte) {
	if len(rest) == 0 {
		c.dropKept()
		c.holds.set(heldInputFull, false)
		return
	}
	l := c.loop.Load()
	if cap(c.kept) < len(rest) {
		c.dropKept()
		if last := len(l.in.spares) - 1; last >= 0 && len(rest) <= spareSize {
			c.kept = l.in.spares[last]
			l.in.spares[last] = nil
			l.in.spares = l.in.spares[:last]
		}
	}
	// rest may be the tail of kept itself: append moves it down then.
	c.kept = append(c.kept[:0], rest...)
	limit := l.reactor.config.MaxKept
	if c.input == inputNextTurn {
		// Each turn of the session moves the unconsumed input.
		limit = min(limit, keptWhileYielded)
	}
	full := len(c.kept) >= limit
	changed := c.holds.set(heldInputFull, full)
	if changed {
		c.Touch()
	}
	if full && (c.input == inputNextTurn || !changed) {
		// finishTurn is some turns away for a deferred connection, and each turn may read more.
		c.applyPause()
	}
}

// dropKept drops the kept input, and returns its buffer to the Loop.
func (c *Conn) dropKept() {
	l := c.loop.Load()
	if n := cap(c.kept); n >= spareSize/8 && n <= spareSize && len(l.in.spares) < sparesKept {
		l.in.spares = append(l.in.spares, c.kept[:0])
	}
	c.kept = nil
}

// discard counts n bytes of input that are dropped while lingering.
func (c *Conn) discard(n int) {
	if c.phase != phaseDiscarding || n == 0 {
		return
	}
	l := c.loop.Load()
	l.Charge(1 + n/outputPerUnit)
	if c.rare.lingerRead += n; c.rare.lingerRead > l.reactor.config.LingerBytes {
		c.setDeadline(int64(l.Age()))
		return
	}
	c.extendLinger(l)
}

// applyPause has the engine stop or resume reading, according to the holds. It is called at the end of a turn, so
// that a pause which ends in the same turn costs nothing; keep calls it at once where the pause cannot end so soon.
func (c *Conn) applyPause() {
	want := c.holds != 0 && c.phase != phaseDiscarding
	if want == (c.polling == pollPaused) || c.socket == nil {
		return
	}
	if err := c.loop.Load().engine.Load().Pause(c.socket, want); err != nil {
		c.close(err)
		return
	}
	if c.polling = pollReading; want {
		c.polling = pollPaused
	}
}
