package client

import (
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/linked"
)

// Private has connections of a loop to an origin that serve one client only: the calls
// whose Events name it, as Separators. The limits of the origin count them too, and so do
// its Stats. It belongs to the loop.
type Private struct {
	linked.Links[Private]
	pool   *pool
	shared *pool // of the origin, on the same loop
}

// Separator is an optional interface of Events whose calls do not share connections with
// those of others.
type Separator interface {
	// Private returns where the connection of a try comes from; nil: from those that all
	// calls share. It must be of that origin and of the loop.
	Private(o *Origin) *Private
}

// Private returns a place for connections that serve one client only. prologue is sent
// first on each, before the TLS handshake; nil is that of the options. It has to be closed,
// unless the origin is. On the loop of d, owned.
func (o *Origin) Private(d spi.Dialer, prologue []byte) *Private {
	l := o.client.loopOf(d)
	shared := o.poolOn(l)
	p := &Private{pool: newPool(o, l), shared: shared}
	p.pool.count, p.pool.private = shared.count, true
	if prologue != nil {
		p.pool.prologue = prologue
	}
	shared.privates.Push(p)
	return p
}

// Close closes the connections after their last request. Later calls of it are refused. On
// the loop, owned.
func (p *Private) Close() {
	if p.pool.closed {
		return
	}
	p.pool.closed = true
	p.shared.privates.Remove(p)
	p.pool.drain()
}

// poolOf returns the pool of a try.
func (c *Call) poolOf(o *Origin) *pool {
	if s, ok := c.events.(Separator); ok {
		if p := s.Private(o); p != nil {
			return p.pool
		}
	}
	return o.poolOn(c.loop)
}

// drainPrivates drains the pools of single clients.
func (p *pool) drainPrivates() {
	for s := p.privates.First(); s != nil; s = s.Next() {
		s.pool.drain()
	}
}

// giveIdlePrivate closes an idle HTTP/1 connection of a single client.
func (p *pool) giveIdlePrivate() {
	for s := p.privates.First(); s != nil; s = s.Next() {
		if len(s.pool.idle) > 0 {
			s.pool.takeIdle(0).retire()
			return
		}
	}
}
