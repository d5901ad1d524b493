package client

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/internal/linked"
)

// pool has the connections of a loop to an origin, and the calls that wait for one. It
// belongs to the loop.
type pool struct {
	origin     *Origin
	loop       *loop
	http2      []*conn // open ones, the oldest first
	idle       []*conn // HTTP/1 connections without a call, the latest used last
	busy       int     // HTTP/1 connections with a call
	dialing    int
	waiting    linked.List[waiter, *waiter]
	awaitsSlot bool // of the origin
	dials      dials
	sweep      sweeper
	lasting    lasting
	count      *counters
	prologue   []byte                         // of each connection
	private    bool                           // of a Private, of which count is not its own
	closed     bool                           // that was closed
	privates   linked.List[Private, *Private] // of the loop and origin
}

// waiter is the place of a Call in the queue of a pool.
type waiter struct {
	linked.Links[waiter]
	call *Call
}

func newPool(o *Origin, l *loop) *pool {
	p := &pool{origin: o, loop: l, count: new(counters), prologue: o.options.Prologue}
	p.dials.pool, p.sweep.pool, p.lasting.pool = p, p, p
	p.lasting.round, p.lasting.since = 1, l.now()
	return p
}

// isClosed reports whether no call may begin.
func (p *pool) isClosed() bool { return p.closed || p.origin.closed.Load() }

// start starts a call, or lets it wait.
func (p *pool) start(c *Call) *Error {
	now := p.loop.now()
	if c.tries == 1 {
		p.loop.budget.request(now)
	}
	if p.isClosed() {
		return &Error{Kind: NoPeer, Safe: true, Err: errClosed}
	}
	if p.waiting.Len() == 0 {
		if conn := p.choose(c, now); conn != nil {
			return p.send(conn, c)
		}
	}
	if err := p.dials.refusal(); err != nil {
		return err
	}
	if p.waiting.Len() >= p.origin.options.Queue {
		return &Error{Kind: Overflow, Safe: true, Err: errQueueFull}
	}
	p.enqueue(c)
	p.grow()
	return nil
}

func (p *pool) enqueue(c *Call) {
	c.state, c.place.call = callWaiting, c
	p.waiting.Push(&c.place)
	p.count.waiting.Add(1)
	if wait := p.origin.options.Wait; wait > 0 {
		p.loop.deadlines.Set(&c.entry, p.loop.now().Add(wait), (*callEvents)(c))
	}
}

// dequeue removes a waiting call.
func (p *pool) dequeue(c *Call) {
	p.waiting.Remove(&c.place)
	p.count.waiting.Add(-1)
	p.loop.deadlines.Clear(&c.entry)
	c.state = callIdle
}

// dispatch starts as many waiting calls as there are connections for, in order, and dials
// for the others. It calls no Events.
func (p *pool) dispatch() {
	if p.waiting.Len() == 0 {
		return
	}
	for now := p.loop.now(); p.waiting.Len() > 0; {
		c := p.waiting.First().call
		conn := p.choose(c, now)
		if conn == nil {
			break
		}
		p.dequeue(c)
		if err := p.send(conn, c); err != nil {
			p.loop.failLater(c, err)
		}
	}
	p.grow()
}

// choose returns a connection for a call, or nil.
func (p *pool) choose(c *Call, now time.Time) *conn {
	if conn := p.chooseHTTP2(c, now); conn != nil {
		return conn
	}
	for len(p.idle) > 0 {
		conn := p.takeIdle(len(p.idle) - 1)
		idle := now.Sub(conn.idle)
		if idle < conn.keep && !conn.isOld(now) && conn.capacity() > 0 && (idle < freshTime || !conn.up.Stale()) {
			return conn
		}
		conn.retire()
	}
	return nil
}

// isOld reports whether the connection has reached its age.
func (c *conn) isOld(now time.Time) bool { return !c.until.IsZero() && !now.Before(c.until) }

// chooseHTTP2 prefers the first connection for short messages, and the last for others.
func (p *pool) chooseHTTP2(c *Call, now time.Time) (chosen *conn) {
	for i := 0; i < len(p.http2); i++ {
		conn := p.http2[i]
		switch {
		case conn.isOld(now):
			conn.retire()
			continue
		case conn.state != open:
			continue
		case now.Sub(conn.heard) >= quietTime:
			conn.probe()
			continue
		case conn.capacity() <= 0:
			continue
		case c.out.Protocol != "" && !conn.knowsTunnels():
			// The answer to a PING comes behind the server's SETTINGS, and the PING
			// behind our preface, for which the server may be waiting.
			conn.probe()
			continue
		}
		chosen = conn
		if !c.bulk {
			break
		}
	}
	return chosen
}

// knowsTunnels reports whether the peer has said if it accepts tunnels.
func (c *conn) knowsTunnels() bool {
	_, known := c.up.Tunnels()
	return known
}

// acceptsTunnels reports whether the peer accepts tunnels.
func (c *conn) acceptsTunnels() bool {
	accepts, _ := c.up.Tunnels()
	return accepts
}

// usable returns the number of HTTP/2 connections that take calls, now or later.
func (p *pool) usable() (n int) {
	for _, c := range p.http2 {
		if c.isUsable() {
			n++
		}
	}
	return n
}

// send starts a call on a connection.
func (p *pool) send(conn *conn, c *Call) *Error {
	conn.calls++
	conn.began++
	c.conn, c.pool, c.reused = conn, p, conn.began > 1
	p.count.active.Add(1)
	if err := c.start(); err != nil {
		p.release(c)
		return err
	}
	if c.reused {
		p.count.reused.Add(1)
	}
	if c.bulk && conn.http2 {
		p.growForBulk()
	}
	return nil
}

// release separates a call, which has ended or was released, from its connection, and uses
// that for the next.
func (p *pool) release(c *Call) {
	conn := c.conn
	c.conn = nil
	conn.calls--
	if c.round > 0 {
		p.lasting.end(c.round)
		c.round = 0
	}
	p.count.active.Add(-1)
	if conn.calls == 0 {
		conn.idle = p.loop.now()
	}
	p.changed(conn)
}

// changed looks at a connection whose capacity may have changed.
func (p *pool) changed(c *conn) {
	if !c.http2 && !c.isIdle && c.calls == 0 && c.state == open {
		switch {
		case c.up.Draining():
			c.retire()
		case c.up.Capacity() > 0:
			p.makeIdle(c)
		}
	}
	if c.http2 && c.calls == 0 && c.state == open && (c.up.Draining() || p.keepsNone()) {
		c.retire()
	}
	if c.calls == 0 && c.state == open {
		p.sweep.expect(c)
	}
	p.dispatch()
}

func (p *pool) makeIdle(c *conn) {
	if p.awaitsSlot && p.waiting.Len() == 0 {
		p.awaitsSlot = false
		p.origin.slots.withdraw(p)
	}
	if p.keepsNone() || p.waiting.Len() == 0 && p.origin.slots.wanted() {
		c.retire()
		return
	}
	p.busy--
	c.isIdle = true
	p.idle = append(p.idle, c)
}

// keepsNone reports whether connections without calls are closed at once.
func (p *pool) keepsNone() bool {
	return p.waiting.Len() == 0 && (p.isClosed() || p.origin.unkept.Load())
}

// takeIdle removes a connection from the idle ones.
func (p *pool) takeIdle(i int) *conn {
	c := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	c.isIdle = false
	p.busy++
	return c
}

// opened takes a new connection.
func (p *pool) opened(c *conn) {
	o := p.origin
	p.dialing--
	p.count.connections.Add(1)
	switch {
	case o.place.speaks == onlyHTTP2 && o.tls != nil && c.up.Info().TLS.NegotiatedProtocol != "h2":
		c.http2 = true
		p.http2 = append(p.http2, c)
		c.retire()
		p.dials.fail(&Error{Kind: TLSFail, Safe: true, Err: errNoHTTP2})
		return
	case o.place.speaks == byALPN:
		o.learn(c.up.Protocol())
	}
	p.dials.succeeded(c)
	if age := o.options.Age; age > 0 {
		c.until = p.loop.now().Add(age - rand.N(age/10+1))
	}
	if c.http2 {
		c.keep = durationOr(o.options.Idle, defaultIdleHTTP2)
		p.freeSlot(c)
		p.http2 = append(p.http2, c)
	} else {
		c.keep = durationOr(o.options.Idle, defaultIdleHTTP1)
		if !c.slot {
			c.slot = true
			o.slots.taken.Add(1)
		}
		p.busy++
	}
	if p.isClosed() {
		c.retire()
		return
	}
	p.changed(c)
}

// lost removes a connection that has ended.
func (p *pool) lost(c *conn, err *Error) {
	p.count.connections.Add(-1)
	p.remove(c)
	p.freeSlot(c)
	if err != nil && err.Busy {
		c.noteBusy()
	}
	p.dispatch()
}

func (p *pool) remove(c *conn) {
	switch {
	case c.http2:
		i := slices.Index(p.http2, c)
		p.http2 = slices.Delete(p.http2, i, i+1)
		return
	case c.isIdle:
		p.takeIdle(slices.Index(p.idle, c))
	}
	p.busy--
}

func (p *pool) freeSlot(c *conn) {
	if c.slot {
		c.slot = false
		p.origin.slots.give()
	}
}

// failWaiting ends all waiting calls.
func (p *pool) failWaiting(err *Error) {
	for n := p.waiting.Len(); n > 0 && p.waiting.Len() > 0; n-- {
		c := p.waiting.First().call
		p.dequeue(c)
		c.failed(err)
	}
}

// drain is a task of the loop: the origin was closed.
func (p *pool) drain() {
	p.loop.deadlines.Clear(&p.dials.entry)
	if p.awaitsSlot && p.private {
		p.awaitsSlot = false
		p.origin.slots.withdraw(p)
	}
	p.closeIdle()
	p.failWaiting(&Error{Kind: Drained, Safe: true, Err: errClosed})
	p.drainPrivates()
}

// closeIdle closes the connections without calls, and lets the others take no more.
func (p *pool) closeIdle() {
	for len(p.idle) > 0 {
		p.takeIdle(len(p.idle) - 1).retire()
	}
	for _, c := range p.http2 {
		c.retire()
	}
}

// closeUnused is a task of the loop: no connection is kept from now on.
func (p *pool) closeUnused() {
	for len(p.idle) > 0 {
		p.takeIdle(len(p.idle) - 1).retire()
	}
	for _, c := range slices.Clone(p.http2) {
		if c.calls == 0 {
			c.retire()
		}
	}
}

// slotFree is a task of the loop: a slot of the origin may be free.
func (p *pool) slotFree() {
	p.awaitsSlot = false
	if p.waiting.Len() == 0 {
		p.origin.slots.notifyNext()
	}
	p.grow()
}

// giveIdle is a task of the loop: another loop needs a slot.
func (p *pool) giveIdle() {
	switch {
	case !p.origin.slots.wanted():
	case len(p.idle) > 0:
		p.takeIdle(0).retire()
	default:
		p.giveIdlePrivate()
	}
}

// sweeper closes connections that are idle for too long.
type sweeper struct {
	pool  *pool
	entry deadline.Entry
	at    time.Time
}

// expect makes the sweeper come in time for c, which is idle.
func (s *sweeper) expect(c *conn) {
	if at := c.idle.Add(c.keep); !s.entry.IsSet() || at.Before(s.at) {
		s.at = at
		s.pool.loop.deadlines.Set(&s.entry, at, s)
	}
}

// Expired implements deadline.Expirer.
func (s *sweeper) Expired(*deadline.Entry) {
	p := s.pool
	now := p.loop.now()
	for i := 0; i < len(p.idle); {
		c := p.idle[i]
		if now.Sub(c.idle) < c.keep {
			s.expect(c)
			i++
			continue
		}
		p.takeIdle(i).retire()
	}
	for _, c := range p.http2 {
		switch {
		case c.state != open || c.calls > 0:
		case now.Sub(c.idle) < c.keep:
			s.expect(c)
		default:
			c.retire()
		}
	}
}
