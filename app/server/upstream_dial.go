//go:build linux

package server

import (
	"context"
	"fmt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

var (
	_ spi.Dialer = (*loop)(nil)
	_ spi.Dialer = (*exchangeLoop)(nil)

	_ spi.ConnWatcher = (*loop)(nil)
)

// Home implements spi.Dialer.
func (l *loop) Home() app.Loop { return l }

// Run implements spi.Dialer.
func (l *loop) Run(task func()) { l.run(nil, task) }

// Home implements spi.Dialer.
func (e *exchangeLoop) Home() app.Loop { return e.loop }

// Dial implements spi.Dialer.
func (e *exchangeLoop) Dial(d *spi.Dial, owner spi.ConnOwner) { e.loop.Dial(d, owner) }

// Run implements spi.Dialer.
func (e *exchangeLoop) Run(task func()) { e.loop.run((*exchange)(e), task) }

// Enter implements spi.Guard. It enters for no connection, as exchange.Enter does.
func (e *exchangeLoop) Enter() bool { return e.loop.Enter() }

// Leave implements spi.Guard.
func (e *exchangeLoop) Leave() { e.loop.Leave() }

// dialling is a spi.Dial in progress.
type dialling struct {
	notifierState
	loop    *loop
	dial    spi.Dial
	owner   spi.ConnOwner
	failure *client.Error
}

var _ notifier = (*dialling)(nil)

// Dial implements spi.Dialer.
func (l *loop) Dial(d *spi.Dial, owner spi.ConnOwner) {
	k := &dialling{loop: l, dial: *d, owner: owner}
	l.count.upstream.dialled.Add(1)
	l.r.Dial(context.Background(), reactor.DialConfig{
		Network: d.Network, Address: d.Address, TLS: d.TLS, Prologue: d.Prologue, Timeout: d.Timeout,
		Open: k.open, Fail: k.fail,
	})
}

// open returns the session of a connected socket, or nil if the peer has selected an unknown protocol.
func (k *dialling) open(c *reactor.Conn) reactor.Session {
	switch protocol := k.protocol(c); protocol {
	case app.HTTP2:
		return newH2Upstream(k.loop, c, &k.dial, k.owner)
	case app.HTTP11:
		return newH1Upstream(k.loop, c, &k.dial, k.owner)
	default:
		k.end(client.TLSFail, fmt.Errorf("the server has selected the protocol %q", protocol))
		return nil
	}
}

// protocol returns the protocol of a connection: the one that ALPN has selected, else that of the dial.
func (k *dialling) protocol(c *reactor.Conn) string {
	if state := c.TLS(); state != nil {
		switch state.NegotiatedProtocol {
		case "":
		case "h2":
			return app.HTTP2
		case "http/1.1":
			return app.HTTP11
		default:
			return state.NegotiatedProtocol
		}
	}
	return k.dial.Protocol
}

// fail ends a dial for an error of reactor.Loop.Dial.
func (k *dialling) fail(err error) { k.end(dialKind(err), err) }

// end notifies the owner that the dial has failed.
func (k *dialling) end(kind client.Kind, err error) {
	k.failure = &client.Error{Kind: kind, Safe: true, Err: err}
	k.loop.count.upstream.failed[kind].Add(1)
	k.loop.announce(k, &k.notifierState)
}

// notify implements notifier.
func (k *dialling) notify() { k.owner.Closed(k.failure) }

// interrupted implements notifier: nothing else is due.
func (k *dialling) interrupted() {}
