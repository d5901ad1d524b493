//go:build linux

package reactor

import (
	"io"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// loopEngine is the engine of a Loop together with the handler of its events.
type loopEngine struct {
	engine.Engine
	loop   *Loop
	serves atomic.Bool // Started was called
}

// newEngine makes an engine for l that accepts from all listeners.
func (r *Reactor) newEngine(l *Loop) *loopEngine {
	e := &loopEngine{loop: l}
	config := engine.Config{ReadBuffer: r.config.ReadBuffer, Room: r.burstRoom, Spare: r.spare, Logger: r.log}
	for _, ln := range r.listeners {
		config.Listeners = append(config.Listeners, engine.Listener{
			PutOver: func(fd int) error { return ln.putOver(fd, l.index) },
			Shared:  ln.shared(l.index),
		})
	}
	e.Engine = r.makeEngine(config, e)
	return e
}

// Started implements engine.Handler.
func (e *loopEngine) Started() {
	e.serves.Store(true)
	e.loop.reactor.gate.apply(e)
}

// Accepted implements engine.Handler.
func (e *loopEngine) Accepted(s engine.Socket, fd, listener int) any {
	l := e.loop
	l.begin()
	c := l.accept(s, fd, l.reactor.listeners[listener])
	l.endAccept()
	return c
}

// Adopted implements engine.Handler.
func (e *loopEngine) Adopted(a engine.Arrival, s engine.Socket, fd int) any {
	l := e.loop
	l.begin()
	c := l.adopt(a.(*arrival), s, fd)
	l.end()
	return c
}

// Rejected implements engine.Handler.
func (e *loopEngine) Rejected(a engine.Arrival, err error) {
	e.loop.begin()
	a.(*arrival).rejected(e.loop, err)
	e.loop.end()
}

// AcceptFailed implements engine.Handler.
func (e *loopEngine) AcceptFailed(error) { e.loop.reactor.gate.pause() }

// Input implements engine.Handler.
func (e *loopEngine) Input(owner any, in []byte) {
	l := e.loop
	l.begin()
	l.stats.bytesIn.Add(int64(len(in)))
	l.read(owner.(*Conn), in)
	l.end()
}

// Displaced implements engine.Handler.
func (e *loopEngine) Displaced(owner any, fd int) {
	e.loop.begin()
	e.loop.displaced(owner.(*Conn), fd)
	e.loop.end()
}

// Closed implements engine.Handler.
func (e *loopEngine) Closed(owner any, err error) {
	c := owner.(*Conn)
	if c.Closed() {
		return
	}
	switch err {
	case engine.ErrHungUp:
		err = ErrHungUp
	case engine.ErrEnded:
		err = ErrStopped
	default:
		err = c.ended(err)
	}
	l := e.loop
	l.begin()
	l.guarded(c, func(c *Conn) {
		if err == io.EOF {
			c.peerFinished()
		} else {
			c.close(err)
		}
	})
	l.end()
}

// Woken implements engine.Handler.
func (e *loopEngine) Woken() { e.loop.wakeTurn() }

// Died implements engine.Handler.
func (e *loopEngine) Died(d engine.Death) { e.loop.reactor.engineDied(e, d) }
