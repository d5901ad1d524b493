package client

import (
	"crypto/tls"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Connect opens a connection, with TLS where the origin has it, and closes it at once. done
// is called once, on the loop, as user code: with nil, or with an *Error. The limits and the
// pauses of the origin do not apply. On the loop.
func (o *Origin) Connect(loop app.Loop, done func(error)) {
	d, ok := loop.(spi.Dialer)
	if !ok || !d.Enter() {
		done(&Error{Kind: NoPeer, Safe: true, Err: errNoDialer})
		return
	}
	address := o.place.address
	if len(o.options.Addresses) > 0 {
		address = o.options.Addresses[0]
	}
	d.Dial(o.dial(address, o.options.Prologue), &connectCheck{dialer: d, done: done})
	d.Leave()
}

// dial describes a new connection to an address of the origin.
func (o *Origin) dial(address string, prologue []byte) *spi.Dial {
	protocol := app.HTTP11
	if o.place.speaks == onlyHTTP2 {
		protocol = app.HTTP2
	}
	var config *tls.Config
	if o.tls != nil {
		config = o.tls()
	}
	return &spi.Dial{
		Network: o.place.network, Address: address, TLS: config, Prologue: prologue, Protocol: protocol,
		Timeout: o.options.Connect, MaxHead: o.options.MaxHead,
	}
}

// connectCheck is the owner of a connection that is closed as soon as it is open.
type connectCheck struct {
	dialer spi.Dialer
	done   func(error)
	opened bool
}

// Opened implements spi.ConnOwner.
func (k *connectCheck) Opened(u spi.Upstream) {
	k.opened = true
	u.Close()
	k.dialer.Run(func() { k.done(nil) })
}

// Changed implements spi.ConnOwner.
func (k *connectCheck) Changed() {}

// Closed implements spi.ConnOwner.
func (k *connectCheck) Closed(err error) {
	if !k.opened {
		k.dialer.Run(func() { k.done(err) })
	}
}
