package apptest

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// exchange is what app sees of a Call.
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

// onLoop fails the test's program when app calls from elsewhere: that would be
// a race in a server.
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
		return n, nil
	case x.bodyEnded:
		return 0, io.EOF
	}
	x.bodyReady = ready
	return 0, nil
}

// Trailers implements spi.Exchange.
func (x *exchange) Trailers() app.Fields { return x.trailers }

// Inform implements spi.Exchange.
func (x *exchange) Inform(status int, fields app.Fields) error {
	x.onLoop()
	x.Interims = append(x.Interims, Interim{status, fields})
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

// drain tells that the server is about to stop.
func (c *Call) drain() {
	spi.Drain(&c.req)
	if c.socket != nil {
		_ = (*wire)(c.socket).Close(websocket.CloseGoingAway, "") // or it is closed already
	}
}

// post runs a callback that was announced, as a server does: later.
func (c *Call) post(ready *func()) {
	if f := *ready; f != nil {
		*ready = nil
		c.loop.Post(f)
	}
}

// Send sends more of an open body.
func (c *Call) Send(p string) {
	c.body = append(c.body, p...)
	c.post(&c.bodyReady)
	c.host.Settle()
}

// End ends an open body, with these trailers.
func (c *Call) End(trailers ...app.Field) {
	c.bodyEnded, c.trailers = true, trailers
	c.post(&c.bodyReady)
	c.host.Settle()
}

// Unread is how much of what was sent the handler has not read yet, in bytes.
func (c *Call) Unread() int { return len(c.body) }

// Take makes a slow peer take up to n bytes of what was accepted, and the room
// grows by as much. It returns what was taken.
func (c *Call) Take(n int) []byte {
	n = min(n, len(c.buffered))
	taken := c.buffered[:n:n]
	c.buffered = c.buffered[n:]
	c.room += n
	c.Content = append(c.Content, taken...)
	c.post(&c.writeRdy)
	c.loop.Post(c.pump)
	c.host.Settle()
	return taken
}

// Accepted is how much of the response was accepted and not yet taken, in bytes.
func (c *Call) Accepted() int { return len(c.buffered) }

// HalfClose makes the peer close its sending side: the context ends, an answer
// is still taken.
func (c *Call) HalfClose() {
	c.loop.Post(func() { spi.Cancel(&c.req, app.ErrHalfClosed) })
	c.host.Settle()
}

// Leave makes the peer go.
func (c *Call) Leave() {
	c.loop.Post(func() {
		c.failure = app.ErrPeerGone
		delete(c.host.live, c)
		spi.Cancel(&c.req, app.ErrPeerGone)
		if c.pull != nil {
			c.pull = nil
			c.Response.Close()
		}
	})
	c.host.SettleLoops()
	c.post(&c.bodyReady)
	c.post(&c.writeRdy)
	c.host.Settle()
}
