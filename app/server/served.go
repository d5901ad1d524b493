//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// served is the connection of a client, with its open exchanges. It belongs to the loop.
type served struct {
	connection
	live *exchange // the open exchanges, newest first
}

// open returns a new exchange for a request whose head has arrived, and adds it to live. id is the machine's name
// for its stream.
func (c *served) open(id uint64) *exchange {
	x := &exchange{stream: stream{connection: &c.connection, id: id}}
	if c.loop.observed {
		x.seen = c.loop.observe()
	}
	x.next = c.live
	c.count(1)
	if x.next != nil {
		x.next.previous = x
	}
	c.live = x
	return x
}

// count adds n, 1 or -1, to the loop's open exchanges; and, while live is empty, to its connections with open exchanges.
// Those of tunnels do not count.
func (c *served) count(n int64) {
	if c.live == nil {
		n += n << connectionsShift
	}
	switch c.session.(type) {
	case *h1Session:
		c.loop.count.active[0].Add(n)
	case *h2Session:
		c.loop.count.active[1].Add(n)
	}
}

// openExchanges returns the number of open exchanges.
func (c *served) openExchanges() (n int) {
	for x := c.live; x != nil; x = x.next {
		n++
	}
	return n
}

// unlink removes x from live. It does nothing if x is not in it.
func (c *served) unlink(x *exchange) {
	switch {
	case x.previous != nil:
		x.previous.next = x.next
	case c.live == x:
		c.live = x.next
	default:
		return
	}
	if x.next != nil {
		x.next.previous = x.previous
	}
	x.previous, x.next = nil, nil
	c.count(-1)
}

// peerGone cuts every open exchange with app.ErrPeerGone.
func (c *served) peerGone() { c.cutAll(app.ErrPeerGone) }

// endAll records who has ended the open exchanges.
func (c *served) endAll(by spi.Ender, reason string) {
	if !c.loop.observed {
		return
	}
	for x := c.live; x != nil; x = x.next {
		x.ends(by, reason)
	}
}

// gone cuts every open exchange after the end of the connection. err is that of reactor.Session.Closed.
func (c *served) gone(err error) {
	c.endAll(enderOfClose(err))
	switch err {
	case reactor.ErrStalled:
		c.cutAll(spi.ErrStalled)
	case reactor.ErrStopped:
		c.cutAll(spi.ErrStopped)
	default:
		c.peerGone()
	}
}

func (c *served) cutAll(cause error) {
	for c.live != nil {
		x := c.live
		c.unlink(x)
		x.cut(cause)
	}
}

// endAnswered ends the requests whose response is complete, and whose content is not read to its end.
func (c *served) endAnswered() {
	for x := c.live; x != nil; {
		next := x.next
		if x.ended && x.outcome == Complete && !x.inputOver() {
			c.unlink(x)
			x.endInput(app.ErrRequestDone)
		}
		x = next
	}
}

// halfClose ends the context of every open request with app.ErrHalfClosed, after the peer has closed its sending side.
// Responses are still sent.
func (c *served) halfClose() {
	for x := c.live; x != nil; x = x.next {
		spi.Cancel(&x.Request, app.ErrHalfClosed)
	}
}

// notifyDrain tells open requests that the connection is draining, so that event streams can end.
func (c *served) notifyDrain() {
	for x := c.live; x != nil; x = x.next {
		if x.seen != nil && x.seen.event == EventOpen {
			x.ends(spi.EndedByDrain, "")
		}
		spi.Drain(&x.Request)
	}
}
