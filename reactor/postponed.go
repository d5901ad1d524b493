//go:build linux

package reactor

// postponed are the connections whose output waits for the next wake turn, which the engine takes after it has reported
// the input of all sockets that were ready. What that input makes them send leaves in the same write. Each wake costs a
// system call of its own, so that nothing is postponed for a while after wakes that have saved no write.
type postponed struct {
	conns  []*Conn
	direct bool   // in a wake turn: nothing is postponed
	added  uint64 // number of the last turn that had output to postpone
	saved  int    // turns that had output for a connection with output of an earlier turn
	losses int    // successive wakes that have saved nothing
	pause  int    // calls of TouchAfterPoll until output is postponed again
}

const (
	// lossesAllowed is the number of wakes without a saved write after which nothing is postponed for pauseCalls calls.
	lossesAllowed = 4
	pauseCalls    = 256
)

// TouchAfterPoll is Touch for output that the input of other connections causes and may soon add to: the session is asked
// for it once the input of all sockets that are ready was handled. It is for connections with several requests in
// progress. While postponing saves no writes, it is Touch.
func (c *Conn) TouchAfterPoll() {
	if c.touched && !c.postponed || c.Closed() {
		return
	}
	c.postpone()
}

func (c *Conn) postpone() {
	l := c.loop.Load()
	p := &l.postponed
	turn := l.turn.Load()
	if c.touched {
		if p.added != turn {
			p.added = turn
			p.saved++
		}
		return
	}
	if p.direct {
		c.Touch()
		return
	}
	if p.pause > 0 {
		p.pause--
		c.Touch()
		return
	}
	p.added = turn
	c.touched, c.postponed = true, true
	p.conns = append(p.conns, c)
	if len(p.conns) == 1 {
		l.wakeSelf()
	}
}

// takePostponed makes the postponed connections touched ones of this turn.
func (l *Loop) takePostponed() {
	p := &l.postponed
	p.direct = true
	if len(p.conns) == 0 {
		return
	}
	for i, c := range p.conns {
		p.conns[i] = nil
		if c.loop.Load() == l && c.touched {
			c.postponed = false
			l.touched = append(l.touched, c)
		}
	}
	p.conns = emptied(p.conns)
	if p.saved > 0 {
		p.losses = 0
	} else if p.losses++; p.losses >= lossesAllowed {
		p.losses, p.pause = lossesAllowed-1, pauseCalls
	}
	p.saved = 0
}
