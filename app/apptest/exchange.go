package apptest

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// exchange is a Call as package app sees it.
type exchange Call

// Loop implements spi.Exchange.
func (x *exchange) Loop() app.Loop { return x.loop }

// Pool implements spi.Exchange.
func (x *exchange) Pool() app.Pool { return x.host }

// Go implements spi.Spawner.
func (x *exchange) Go(f func()) {
	x.host.mu.Lock()
	defer x.host.mu.Unlock()
	x.host.spawn(f)
}

// Park implements spi.Spawner.
func (x *exchange) Park() { x.host.park(-1) }

// Unpark implements spi.Spawner.
func (x *exchange) Unpark() { x.host.park(+1) }

// onLoop panics if the caller does not run on the loop: that would be a data race in a
// server.
func (x *exchange) onLoop() {
	if x.host.Running() != x.loop.index {
		panic("apptest: an exchange is used off its loop")
	}
}

// ReadBody implements spi.Exchange.
func (x *exchange) ReadBody(p []byte, ready func()) (int, error) {
	x.onLoop()
	switch {
	case x.failure != nil:
		return 0, x.failure
	case len(x.body) > 0:
		n := copy(p, x.body)
		x.body = x.body[n:]
		(*Call)(x).wanted()
		return n, nil
	case x.bodyEnded:
		return 0, io.EOF
	}
	x.bodyReady = ready
	(*Call)(x).wanted()
	return 0, nil
}

// Trailers implements spi.Exchange.
func (x *exchange) Trailers() app.Fields { return x.trailers }

// Inform implements spi.Exchange.
func (x *exchange) Inform(status int, fields app.Fields) error {
	x.onLoop()
	x.Interims = append(x.Interims, Interim{status, fields})
	(*Call)(x).changed()
	return x.failure
}

// Write implements spi.Exchange.
func (x *exchange) Write(p []byte, ready func()) (int, error) {
	x.onLoop()
	if x.failure != nil {
		return 0, x.failure
	}
	n := len(p)
	if x.slow {
		n = min(n, x.room)
	}
	(*Call)(x).accept(p[:n])
	if n < len(p) {
		x.writeRdy = ready
	}
	return n, nil
}

// Finish implements spi.Exchange.
func (x *exchange) Finish(trailers app.Fields, err error) {
	x.onLoop()
	if x.failure != nil {
		return
	}
	if err != nil {
		(*Call)(x).abort(err)
		return
	}
	x.Trailer = trailers
	(*Call)(x).finish()
}

// Draining implements spi.Drainer.
func (x *exchange) Draining() bool { return x.host.draining.Load() }

// drain tells the request and its socket that the server drains.
func (c *Call) drain() {
	spi.Drain(&c.req)
	if c.socket != nil {
		_ = (*wire)(c.socket).Close(websocket.CloseGoingAway, "") // or it is closed already
	}
}

// post posts a callback.
func (c *Call) post(ready *func()) {
	if f := *ready; f != nil {
		*ready = nil
		c.loop.Post(f)
	}
}

// Send sends more of open content.
func (c *Call) Send(p string) {
	c.body = append(c.body, p...)
	c.post(&c.bodyReady)
	c.host.Settle()
}

// End ends open content, with trailer fields.
func (c *Call) End(trailers ...app.Field) {
	c.bodyEnded, c.trailers = true, trailers
	c.post(&c.bodyReady)
	c.host.Settle()
}

// Unread returns the number of bytes that were sent and not read by the handler.
func (c *Call) Unread() int { return len(c.body) }

// Take makes a slow peer take up to n accepted bytes, which makes room for as many. It
// returns them.
func (c *Call) Take(n int) []byte {
	taken := c.take(n)
	c.took(taken)
	c.host.Settle()
	return taken
}

// take is Take without Settle.
func (c *Call) take(n int) []byte {
	n = min(n, len(c.buffered))
	taken := c.buffered[:n:n]
	c.buffered = c.buffered[n:]
	c.room += n
	c.post(&c.writeRdy)
	c.loop.Post(c.pump)
	return taken
}

// Accepted returns the number of bytes that were accepted and not taken.
func (c *Call) Accepted() int { return len(c.buffered) }

// HalfClose closes the peer's sending side. The context ends; a response is still taken.
func (c *Call) HalfClose() {
	c.loop.Post(func() { spi.Cancel(&c.req, app.ErrHalfClosed) })
	c.host.Settle()
}

// Leave makes the peer leave.
func (c *Call) Leave() {
	c.loop.Post(c.leave)
	c.host.SettleLoops()
	c.post(&c.bodyReady)
	c.post(&c.writeRdy)
	c.host.Settle()
}

// leave is a task of the loop.
func (c *Call) leave() {
	if c.failure != nil || c.Complete {
		return
	}
	c.failure = app.ErrPeerGone
	delete(c.host.live, c)
	spi.Cancel(&c.req, app.ErrPeerGone)
	if c.pull != nil {
		c.pull = nil
		c.Response.Close()
	}
}

// wanted tells a Backend that the handler reads content.
func (c *Call) wanted() {
	if c.peer != nil {
		c.peer.reads = true
		c.peer.schedule()
	}
}
