package client

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
)

// Reasons of failures.
var (
	errClosed    = errors.New("the origin is closed")
	errQueueFull = errors.New("too many requests wait for a connection")
	errWaited    = errors.New("no connection was free in time")
	errNoHTTP2   = errors.New("the server has not selected HTTP/2 by ALPN")
	errNoAddress = errors.New("no address is known")
	errNoDialer  = errors.New("this loop cannot open connections")
)

// dials decides when a pool opens connections: not before a pause has passed after
// failures, which grows with them.
type dials struct {
	pool        *pool
	good        int       // index of the address that has worked last
	worked      bool      // a connection was open before
	failures    int       // since then
	since       time.Time // of the first of them
	last        *Error    // the latest of them
	busySignals int       // ENHANCE_YOUR_CALM in the last minute
	lastBusy    time.Time // the latest of them
	next        time.Time // no dial before that
	entry       deadline.Entry
}

// grow opens connections for the waiting calls.
func (p *pool) grow() {
	for p.waiting.Len() > 0 && p.needsMore() && p.dials.mayDial() {
		addresses := p.addresses()
		if !p.takeSlot() {
			return
		}
		p.dial(addresses)
	}
}

// needsMore reports whether another connection would serve waiting calls, beyond those that
// are being opened. After a failure, and until the protocol is known, there is one at a time.
func (p *pool) needsMore() bool {
	o := p.origin
	switch protocol := o.protocol(); {
	case p.dials.failures > 0:
	case protocol == app.HTTP11:
		return p.dialing < min(p.waiting.Len(), maxDialling)
	case protocol == app.HTTP2:
		return p.dialing == 0 && !p.isProbing() && p.usable() < p.mayHave()
	}
	return p.dialing == 0
}

// mayHave returns the number of HTTP/2 connections that waiting calls justify.
func (p *pool) mayHave() int {
	o := &p.origin.options
	if p.usable() < o.Connections || o.LastingConnections <= 0 {
		return o.Connections
	}
	return o.Connections + min(p.lasting.extra(), o.LastingConnections)
}

func (p *pool) isProbing() bool {
	for _, c := range p.http2 {
		if c.state == probing {
			return true
		}
	}
	return false
}

// growForBulk opens a second HTTP/2 connection if there is one.
func (p *pool) growForBulk() {
	if p.usable() == 1 && p.dialing == 0 && p.origin.options.Connections > 1 && !p.isClosed() && p.dials.mayDial() {
		p.dial(p.addresses())
	}
}

// takeSlot reports whether the origin allows another connection that may be HTTP/1.
func (p *pool) takeSlot() bool {
	o := p.origin
	if o.protocol() != app.HTTP11 || o.slots.take() {
		return true
	}
	if !p.awaitsSlot {
		p.awaitsSlot = true
		o.slots.await(p)
		for _, other := range *o.pools.Load() {
			if other != nil && other != p {
				other.loop.post(other.giveIdle)
			}
		}
	}
	return false
}

// dial opens a connection to the first of addresses that accepts it. An HTTP/1 connection
// has its slot.
func (p *pool) dial(addresses []string) {
	c := &conn{pool: p, slot: p.origin.protocol() == app.HTTP11, addresses: addresses}
	p.dialing++
	p.dialAddress(c)
}

// dialAddress dials the next address of a connection.
func (p *pool) dialAddress(c *conn) {
	o := p.origin
	address := o.place.address
	if o.options.Resolve != nil || len(o.options.Addresses) > 0 {
		if c.tried >= len(c.addresses) {
			p.loop.post(func() { p.dialFailed(c, &Error{Kind: NoPeer, Safe: true, Err: errNoAddress}) })
			return
		}
		address = c.addresses[(p.dials.good+c.tried)%len(c.addresses)]
	}
	p.count.dialed.Add(1)
	c.dialed = p.loop.now()
	p.loop.dialer.Dial(o.dial(address, p.prologue), c)
}

// addresses returns the addresses of the origin; nil if there is only that of its URL. It may
// not return, see spi.Dialer.Run.
func (p *pool) addresses() (addresses []string) {
	o := p.origin
	if o.options.Resolve == nil {
		return o.options.Addresses
	}
	p.loop.dialer.Run(func() { addresses = o.options.Resolve() })
	return addresses
}

// dialFailed tries the next address, or gives up the connection.
func (p *pool) dialFailed(c *conn, err *Error) {
	c.tried++
	if err != nil && err.Kind != NoPeer && !p.isClosed() && c.tried < len(c.addresses) {
		p.dialAddress(c)
		return
	}
	if err == nil {
		err = &Error{Kind: Drained, Safe: true}
	}
	c.state = gone
	p.dialing--
	p.freeSlot(c)
	p.count.failures[err.Kind].Add(1)
	p.dials.fail(err)
}

// succeeded ends the failures.
func (d *dials) succeeded(c *conn) {
	d.worked, d.failures, d.last = true, 0, nil
	d.good += c.tried
}

// fail notes that a connection could not be opened. Waiting calls fail too, unless others
// may serve them, or the server may soon be back.
func (d *dials) fail(err *Error) {
	p := d.pool
	now := p.loop.now()
	if d.failures == 0 {
		d.since = now
	}
	d.last = err
	if !now.Before(d.next) { // connections that were begun together fail together
		d.failures++
		pause := double(firstPause, d.failures-1, maxPause)
		if d.isPatient(now) {
			pause = min(pause, patientPause)
		}
		d.next = now.Add(jitter(pause))
	}
	p.grow() // sets the pause
	if p.dialing == 0 && p.usable() == 0 && p.busy == 0 && !d.isPatient(now) {
		p.failWaiting(err)
	}
}

// isPatient reports whether calls wait although dials fail.
func (d *dials) isPatient(now time.Time) bool {
	return d.worked && now.Sub(d.since) < d.pool.origin.options.Patience
}

// refusal returns the failure of a call for which no connection will be opened soon, or
// nil.
func (d *dials) refusal() *Error {
	p := d.pool
	if d.last == nil || p.dialing > 0 || p.busy > 0 || p.usable() > 0 {
		return nil
	}
	if now := p.loop.now(); now.Before(d.next) && !d.isPatient(now) {
		return d.last
	}
	return nil
}

// noteBusy delays the next dial after an ENHANCE_YOUR_CALM of the peer. The pause doubles with each one
// within busyMemory.
func (d *dials) noteBusy() {
	now := d.pool.loop.now()
	if now.Sub(d.lastBusy) > busyMemory {
		d.busySignals = 0
	}
	d.busySignals++
	d.lastBusy = now
	if next := now.Add(jitter(double(firstBusyPause, d.busySignals-1, maxBusyPause))); next.After(d.next) {
		d.next = next
	}
}

// mayDial reports whether no pause is left. At the end of the pause, grow is called.
func (d *dials) mayDial() bool {
	l := d.pool.loop
	if d.pool.isClosed() {
		return false
	}
	if !l.now().Before(d.next) {
		return true
	}
	if !d.entry.IsSet() {
		l.deadlines.Set(&d.entry, d.next, d)
	}
	return false
}

// Expired implements deadline.Expirer: a pause has passed.
func (d *dials) Expired(*deadline.Entry) { d.pool.grow() }

func double(first time.Duration, times int, most time.Duration) time.Duration {
	for ; times > 0 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}

// jitter returns d, shortened at random by up to a fifth.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/5+1) }
