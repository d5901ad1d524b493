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
	x := new(exchange)
	c.openIn(x, id)
	return x
}

// openIn is open with zero memory for the exchange.
func (c *served) openIn(x *exchange, id uint64) {
	x.connection, x.id = &c.connection, id
	if c.loop.observed {
		x.seen = c.loop.observe()
	}
	x.next = c.live
	if protocol := c.counted(); protocol >= 0 {
		c.loop.count.opened(protocol, c.weight())
	}
	if x.next != nil {
		x.next.previous = x
	}
	c.live = x
}

// counted returns the index in counts.active of the connection's exchanges; -1 for those of tunnels, which do not count.
func (c *served) counted() int {
	switch c.session.(type) {
	case *h1Session:
		return 0
	case *h2Session:
		return 1
	}
	return -1
}

// weight returns what an exchange adds to its word of counts.active: 1, and 1 for the connection while live is empty.
func (c *served) weight() int64 {
	if c.live == nil {
		return 1<<connectionsShift + 1
	}
	return 1
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
	if protocol := c.counted(); protocol >= 0 {
		c.loop.count.closed(protocol, c.weight())
	}
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
