package client

import (
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// conn is a connection of a pool. It implements spi.ConnOwner.
//
//	dialling ─Opened→ open ─→ probing (a PING is out) ─→ open
//	                  open, probing ─→ leaving (takes no more calls)
//	any ─Closed→ gone
type conn struct {
	pool      *pool
	up        spi.Upstream // nil: dialling
	state     connState
	http2     bool
	isIdle    bool          // in pool.idle
	slot      bool          // it has a slot of the origin's HTTP/1 connections
	addresses []string      // that it may be dialled at; nil: that of the URL
	tried     int           // how many of them have failed
	calls     int           // under way
	began     int           // calls so far
	dialed    time.Time     // when the dial of the current address began
	busyNoted bool          // noteBusy was called
	heard     time.Time     // when the peer has last said something
	idle      time.Time     // when the last call ended
	keep      time.Duration // how long it may be idle
	until     time.Time     // takes no calls afterwards; the zero time is no limit
	entry     deadline.Entry
}

type connState uint8

const (
	dialling connState = iota
	open
	probing
	leaving
	gone
)

// Opened implements spi.ConnOwner.
func (c *conn) Opened(u spi.Upstream) {
	p := c.pool
	now := p.loop.now()
	c.up, c.http2 = u, u.Protocol() == app.HTTP2
	c.state, c.heard, c.idle = open, now, now
	p.count.connect.Add(now.Sub(c.dialed))
	p.opened(c)
}

// Changed implements spi.ConnOwner.
func (c *conn) Changed() {
	if c.up.Busy() {
		c.noteBusy()
	}
	c.pool.changed(c)
}

// noteBusy makes new connections wait, once for each connection whose peer has asked for
// fewer requests.
func (c *conn) noteBusy() {
	if !c.busyNoted {
		c.busyNoted = true
		c.pool.dials.noteBusy()
	}
}

// Closed implements spi.ConnOwner.
func (c *conn) Closed(err error) {
	wasDialling := c.state == dialling
	c.pool.loop.deadlines.Clear(&c.entry)
	switch {
	case !wasDialling:
		c.state = gone
		c.pool.lost(c, asError(err))
	default:
		c.pool.dialFailed(c, asError(err))
	}
}

// capacity returns how many calls may be started.
func (c *conn) capacity() int {
	if c.state != open {
		return 0
	}
	n := c.up.Capacity()
	if most := c.pool.origin.options.Streams; most > 0 {
		n = min(n, most-c.calls)
	}
	return n
}

// isUsable reports whether the connection takes calls, now or later.
func (c *conn) isUsable() bool {
	return c.state == open && !c.up.Draining() || c.state == probing
}

// retire lets the connection take no more calls.
func (c *conn) retire() {
	if c.state == open || c.state == probing {
		c.state = leaving
		c.pool.loop.deadlines.Clear(&c.entry)
		c.up.Close()
	}
}

// probe asks an HTTP/2 peer whether it is there.
func (c *conn) probe() {
	c.state = probing
	l := c.pool.loop
	l.deadlines.Set(&c.entry, l.now().Add(pingTime), c)
	c.up.Ping(c.ponged)
}

func (c *conn) ponged(err error) {
	if c.state != probing || err != nil {
		return // Closed follows, or has been called
	}
	c.pool.loop.deadlines.Clear(&c.entry)
	c.state, c.heard = open, c.pool.loop.now()
	c.pool.dispatch()
}

// Expired implements deadline.Expirer: the peer has not answered the PING.
func (c *conn) Expired(*deadline.Entry) {
	c.retire()
	c.pool.dispatch()
}

// keepAlive returns how long an HTTP/1 connection may be idle after a response with those
// fields, given the origin's limit.
func keepAlive(fields app.Fields, limit time.Duration) time.Duration {
	for rest := fields.Get("Keep-Alive"); rest != ""; {
		var element string
		element, rest = octets.CutElement(rest)
		name, value, _ := strings.Cut(element, "=")
		if !octets.EqualFold(octets.Trim(name), "timeout") {
			continue
		}
		seconds, err := strconv.ParseUint(octets.Trim(value), 10, 31)
		if err != nil {
			return limit
		}
		told := time.Duration(seconds) * time.Second
		// The request takes time to arrive.
		return min(limit, max(told-time.Second, told/2))
	}
	return limit
}
