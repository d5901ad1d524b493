package apptest

import (
	"errors"
	"slices"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// BackendConn is a connection to a Backend. It is an spi.Upstream for the package client.
type BackendConn struct {
	// HalfClosed is set to let the client find out by a look at its HTTP/1 socket only
	// that the backend has closed it.
	HalfClosed bool
	// Served is the number of requests so far, Pings that of PINGs.
	Served, Pings int
	// Prologue is what was sent first on the connection.
	Prologue string

	backend  *Backend
	loop     *Loop
	owner    spi.ConnOwner
	protocol string
	info     app.ConnInfo
	calls    []*backendCall // under way
	pings    []func(error)
	draining bool // no more calls
	closed   bool
}

var (
	errClosedByPeer = errors.New("apptest: the connection was closed")
	errGoaway       = errors.New("apptest: GOAWAY")
)

// Protocol implements spi.Upstream.
func (c *BackendConn) Protocol() string { return c.protocol }

// Info implements spi.Upstream.
func (c *BackendConn) Info() *app.ConnInfo { return &c.info }

// Capacity implements spi.Upstream.
func (c *BackendConn) Capacity() int {
	switch {
	case c.closed || c.draining:
		return 0
	case c.protocol == app.HTTP11:
		return 1 - len(c.calls)
	case c.backend.Streams > 0:
		return max(c.backend.Streams-len(c.calls), 0)
	}
	return 100 - len(c.calls)
}

// Draining implements spi.Upstream.
func (c *BackendConn) Draining() bool { return c.closed || c.draining }

// Busy implements spi.Upstream.
func (c *BackendConn) Busy() bool { return false }

// Tunnels implements spi.Upstream.
func (c *BackendConn) Tunnels() (accepts, known bool) { return !c.backend.NoTunnels, true }

// Stale implements spi.Upstream.
func (c *BackendConn) Stale() bool { return c.closed || c.HalfClosed }

// Ping implements spi.Upstream.
func (c *BackendConn) Ping(done func(error)) {
	c.Pings++
	if c.backend.Mute || c.closed {
		c.pings = append(c.pings, done)
		return
	}
	c.loop.Post(func() { done(nil) })
}

// Start implements spi.Upstream.
func (c *BackendConn) Start(out *spi.Outgoing, e spi.CallEvents) (spi.Call, error) {
	if c.Capacity() <= 0 {
		return nil, &client.Error{Kind: client.UpstreamEOF, Safe: true, Err: errClosedByPeer}
	}
	c.Served++
	c.backend.Requests++
	fault := NoFault
	if c.backend.Fault != nil {
		fault = c.backend.Fault(c.backend.Requests)
	}
	if c.HalfClosed {
		fault = NeverSent
	}
	call := newBackendCall(c, out, e, fault)
	c.calls = append(c.calls, call)
	call.start()
	return call, nil
}

// Close implements spi.Upstream.
func (c *BackendConn) Close() {
	c.draining = true
	c.closeIfIdle()
}

func (c *BackendConn) closeIfIdle() {
	if c.draining && len(c.calls) == 0 && !c.closed {
		c.loop.Post(func() { c.end(nil) })
	}
}

// drop removes a call that has ended.
func (c *BackendConn) drop(call *backendCall) {
	if i := slices.Index(c.calls, call); i >= 0 {
		c.calls = slices.Delete(c.calls, i, i+1)
	}
	c.closeIfIdle()
}

// end closes the connection. Its calls end with err. It is a task of the loop.
func (c *BackendConn) end(err *client.Error) {
	if c.closed {
		return
	}
	c.closed = true
	if i := slices.Index(c.backend.conns, c); i >= 0 {
		c.backend.conns = slices.Delete(c.backend.conns, i, i+1)
	}
	for _, call := range slices.Clone(c.calls) {
		call.end(err)
	}
	c.calls = nil
	for _, done := range c.pings {
		done(errClosedByPeer)
	}
	if err == nil {
		c.owner.Closed(nil)
		return
	}
	c.owner.Closed(err)
}

// Hangup makes the backend close the connection.
func (c *BackendConn) Hangup() { c.fail(client.UpstreamEOF) }

// Reset makes the backend reset the connection.
func (c *BackendConn) Reset() { c.fail(client.UpstreamReset) }

func (c *BackendConn) fail(kind client.Kind) {
	c.loop.Post(func() { c.end(&client.Error{Kind: kind, Sent: true, Err: errClosedByPeer}) })
	c.backend.host.Settle()
}

// Calm makes the backend close the HTTP/2 connection with ENHANCE_YOUR_CALM.
func (c *BackendConn) Calm() {
	c.loop.Post(func() {
		c.end(&client.Error{Kind: client.UpstreamReset, Sent: true, Busy: true, Err: errGoaway})
	})
	c.backend.host.Settle()
}

// Goaway makes the backend take no more requests on the HTTP/2 connection. Of those under
// way, it has not processed any but the first n.
func (c *BackendConn) Goaway(n int) {
	c.loop.Post(func() {
		c.draining = true
		for _, call := range slices.Clone(c.calls[min(n, len(c.calls)):]) {
			call.handled.leave()
			call.end(&client.Error{Kind: client.Drained, Sent: true, Safe: true, Err: errGoaway})
		}
		c.owner.Changed()
		c.closeIfIdle()
	})
	c.backend.host.Settle()
}

// UnderWay returns the number of requests under way.
func (c *BackendConn) UnderWay() int { return len(c.calls) }

// End returns a task that makes the backend close or reset the connection.
func (c *BackendConn) End(reset bool) func() {
	kind := client.UpstreamEOF
	if reset {
		kind = client.UpstreamReset
	}
	return func() { c.end(&client.Error{Kind: kind, Sent: true, Err: errClosedByPeer}) }
}
