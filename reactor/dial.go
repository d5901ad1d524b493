//go:build linux

package reactor

import (
	"context"
	"crypto/tls"
	"fmt"
	"syscall"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// DialConfig describes a connection to another server.
type DialConfig struct {
	// Network is "tcp" (default), "tcp4", "tcp6" or "unix".
	Network string
	// Address is host:port for TCP, a path for unix, as for net.Dial.
	Address string
	// TLS is the configuration of a TLS client; nil: cleartext. ServerName, or InsecureSkipVerify, must be set, and
	// Renegotiation must be RenegotiateNever. It is not changed, and may be shared by all dials to one name.
	// Callbacks run on the goroutine of the handshake and may wait; Rand, Time and ClientSessionCache must not. A
	// ClientSessionCache may be shared by all Loops.
	TLS *tls.Config
	// Prologue is sent first, before the TLS handshake, such as a header of the PROXY protocol. It must fit the
	// buffer of a new socket, and is not changed.
	Prologue []byte
	// Timeout limits name resolution, connect and the TLS handshake together; 0: no limit other than those of ctx,
	// of the kernel, and Config.HandshakeTimeout for the handshake.
	Timeout time.Duration
	// Open returns the session of the connection, as ListenerConfig.Open does; nil closes the connection. It is
	// called after the TLS handshake, so that Conn.TLS has the result of ALPN.
	Open func(*Conn) Session
	// Fail receives the reason, a *DialError, if there is no connection.
	Fail func(error)
}

// Dial connects to another server and opens a session for the connection on this Loop. It returns at once. On any
// goroutine.
//
// Either config.Open or config.Fail is called once, on the loop, owned, after Dial has returned. If Reactor.Stop has ended
// the Loop before, neither is called.
//
// ctx applies to the dial, its TLS handshake included, not to the connection: Open may be called after ctx has ended.
// While the Loop stalls, Open and Fail are delayed, even beyond the end of ctx. A context that can end costs an entry in
// it; DialConfig.Timeout is cheaper.
//
// The connection has the socket options of an accepted one, and a nil Listener. It may move once its session is open, and
// dials, handshakes and connections survive the replacement of their Loop's engine. From Dial on it counts as an
// open connection: Reactor.Stop waits for it, so a pool must close its idle connections at a shutdown. Reactor.Drain lets
// dials go on, and visits dialled connections too. Config.MaxConnections counts them, but refuses accepted ones only.
//
// A dial takes a descriptor and no goroutine, except for look-ups of names, of which maxLookups run at the same time, and
// for the TLS handshake. All dials together may use half of Config.DescriptorReserve besides the descriptors of
// connections, and dials without a session half of that sum; beyond, a dial fails at once with Stage DialDescriptors and
// EMFILE.
func (l *Loop) Dial(ctx context.Context, config DialConfig) {
	if config.Network == "" {
		config.Network = "tcp"
	}
	d := &dialling{config: config, ctx: ctx}
	d.config.TLS = l.reactor.tls.dialled.configs.of(config.TLS)
	r := l.reactor
	r.arriving.Add(1)
	r.dials.underWay.Add(1)
	if l.inbox.put(task{run: func() { l.startDial(d) }}) {
		l.wake()
		return
	}
	r.dials.underWay.Add(-1)
	r.arriving.Add(-1)
	r.presentDecreased()
}

// dialling is a Dial whose connection has no session yet. It belongs to the Loop.
type dialling struct {
	config DialConfig
	ctx    context.Context
	stage  DialStage

	targets []target // addresses that are still to be tried; the first is in progress
	failure error    // of the last address that was tried
	next    *Timer   // ends the attempt at an address, so that others get time
	lookup  *lookup  // in progress; nil: none

	ignoreContext func() bool // undoes context.AfterFunc; nil: ctx cannot end
}

var errDialDescriptors = fmt.Errorf("the remaining descriptors are reserved: %w", syscall.EMFILE)

// startDial starts a dial. On the loop.
func (l *Loop) startDial(d *dialling) {
	r := l.reactor
	r.dials.started.Add(1)
	c := l.newConn(nil, -1, nil)
	r.arriving.Add(-1)
	c.polling = pollConnecting
	c.ensureRare().dialling = d
	r.gate.check()
	l.guarded(c, func(c *Conn) {
		switch err := d.ctx.Err(); {
		case err != nil:
			d.stage = DialConnect
			c.close(err)
		case !r.mayDial():
			d.stage = DialDescriptors
			c.close(errDialDescriptors)
		default:
			c.limitDial(d)
			c.locate(d)
		}
	})
}

// limitDial has the dial end with its context and at its deadline.
func (c *Conn) limitDial(d *dialling) {
	if d.config.Timeout > 0 {
		c.setDeadlineIn(d.config.Timeout)
	}
	if d.ctx.Done() == nil {
		return
	}
	h := c.Handle()
	d.ignoreContext = context.AfterFunc(d.ctx, func() { h.Post((*Conn).dialCancelled) })
}

// dialCancelled ends the dial of c, if it is still one, after its context has ended.
func (c *Conn) dialCancelled() {
	if d := c.dialling(); d != nil {
		c.close(d.ctx.Err())
	}
}

// dialling returns the Dial of a connection whose session is not open; nil if there is none.
func (c *Conn) dialling() *dialling {
	if c.rare == nil {
		return nil
	}
	return c.rare.dialling
}

// takeDialling removes and returns the Dial of a connection whose session is not open; nil if there is none.
func (c *Conn) takeDialling() *dialling {
	d := c.dialling()
	if d == nil {
		return nil
	}
	if c.rare.dialling = nil; c.rare.isEmpty() {
		c.rare = nil
	}
	if d.ignoreContext != nil {
		d.ignoreContext()
	}
	d.endLookup()
	d.endAttempt()
	c.loop.Load().reactor.dials.underWay.Add(-1)
	return d
}

// startDialled begins the TLS handshake of a connected socket, or opens its session.
func (c *Conn) startDialled(d *dialling) {
	if d.config.TLS == nil {
		c.openIfReady()
		return
	}
	d.stage = DialHandshake
	l := c.loop.Load()
	by := int64(moment.After(l.Age(), l.reactor.config.HandshakeTimeout))
	if c.deadline == 0 || by < c.deadline {
		c.setDeadline(by)
	}
	f, err := newDialledTLS(c, d.config.TLS)
	c.filter = f
	if err != nil {
		c.close(err)
	}
}

// filterFailed ends a dial whose TLS handshake has failed: Fail is called at once, and the connection closes after the
// alert was written.
func (d *dialling) filterFailed(c *Conn, err error) {
	c.takeDialling()
	c.finish(closeFlushedAsked, err)
	d.failed(c.loop.Load(), err)
}

// failed calls Fail. On the loop.
func (d *dialling) failed(l *Loop, err error) {
	dialErr := newDialError(d, err)
	l.reactor.dials.failed(dialErr)
	d.config.Fail(dialErr)
}

// errDialTimeout ends a dial at its deadline.
var errDialTimeout error = dialTimeout{}

type dialTimeout struct{}

func (dialTimeout) Error() string   { return "no answer in time" }
func (dialTimeout) Timeout() bool   { return true }
func (dialTimeout) Temporary() bool { return true }

// Is reports that a dial which has taken too long has met its deadline.
func (dialTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

// mayDial reports whether there are descriptors for the dials that were counted. Half of the reserve is not for dials:
// replacing an engine needs it, for example. Half of the others is not for dials whose peers do not answer.
func (r *Reactor) mayDial() bool {
	free := r.gate.room.Load() + r.gate.reserve.Load()/2
	held := r.present() + lookupDescriptors*r.lookups.running.Load()
	return held <= free && r.dials.underWay.Load() <= max(free/2, 1)
}
