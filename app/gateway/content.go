package gateway

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// answer is what applications see of an exchange: the response and its content. It is not
// used again.
type answer struct {
	promise  app.Promise[*app.Response]
	response app.Response
	l        *loopState
	x        *exchange // nil: the exchange has ended. Owned
	length   int64     // of the content; -1: unknown
	trailers app.Fields
}

// newAnswer returns the answer of x, with memory for the fields of most responses. That of a
// tunnel is apart, since an answer lasts as long as its content.
func newAnswer(x *exchange) *answer {
	if x.head.websocket {
		a := &answer{l: x.l, x: x}
		a.response.Fields = make(app.Fields, 0, 12)
		return a
	}
	a := &struct {
		answer
		fields [12]app.Field
	}{answer: answer{l: x.l, x: x}}
	a.response.Fields = a.fields[:0]
	return &a.answer
}

// content is the content of a response.
type content answer

var (
	_ spi.Source    = (*content)(nil)
	_ spi.EndWaiter = (*content)(nil)
)

// Length implements app.Content.
func (c *content) Length() int64 { return c.length }

// Read implements spi.Source.
func (c *content) Read(p []byte) (n int, err error) { return (*answer)(c).read(p) }

// Wait implements spi.Source.
func (c *content) Wait(ready func()) { (*answer)(c).wait(ready) }

// WaitEnd implements spi.EndWaiter.
func (c *content) WaitEnd(ready func()) { (*answer)(c).wait(ready) }

// Trailers implements spi.Source.
func (c *content) Trailers() app.Fields { return c.trailers }

// Close implements spi.Source.
func (c *content) Close() error {
	(*answer)(c).close()
	return nil
}

// Pull returns the content in a form that middleware can wrap.
func (c *content) Pull() *app.Pull {
	return &app.Pull{Size: c.length, Read: c.Read, Wait: c.Wait, Trailers: c.Trailers, OnClose: (*answer)(c).close}
}

// tunnel is the content of a response that opens a tunnel.
type tunnel answer

var _ spi.Tunnel = (*tunnel)(nil)

// Length implements app.Content.
func (t *tunnel) Length() int64 { return -1 }

// Read implements spi.Source.
func (t *tunnel) Read(p []byte) (int, error) { return (*answer)(t).read(p) }

// Wait implements spi.Source.
func (t *tunnel) Wait(ready func()) { (*answer)(t).wait(ready) }

// WaitEnd implements spi.EndWaiter.
func (t *tunnel) WaitEnd(ready func()) { (*answer)(t).wait(ready) }

// Trailers implements spi.Source: a tunnel has none.
func (t *tunnel) Trailers() app.Fields { return nil }

// Close implements spi.Source.
func (t *tunnel) Close() error {
	(*answer)(t).close()
	return nil
}

// Opened implements spi.Tunnel.
func (t *tunnel) Opened(in spi.TunnelInput) {
	if x := t.x; x != nil {
		x.upload.open(in)
	}
}

// enter returns the exchange, for the time until leave; nil if it has ended, or its loop was
// taken from the caller, which then does not call leave.
func (a *answer) enter() *exchange {
	if !a.l.guard.Enter() {
		return nil
	}
	x := a.x
	if x == nil {
		a.l.guard.Leave()
	}
	return x
}

func (a *answer) leave() { a.l.guard.Leave() }

// read reads content. On the loop.
func (a *answer) read(p []byte) (int, error) {
	x := a.enter()
	if x == nil {
		return 0, app.ErrPeerGone
	}
	defer a.leave()
	n, err := x.read(p)
	switch {
	case err == io.EOF:
		a.trailers = x.trailers()
		x.endReading()
	case err != nil:
		x.endReading()
	}
	return n, err
}

// wait has ready called when there is content.
func (a *answer) wait(ready func()) {
	x := a.enter()
	if x == nil {
		return
	}
	defer a.leave()
	if x.more {
		ready()
		return
	}
	x.ready = ready
}

// close is called when no more content is read. A response that was dropped ends the call;
// the other direction of a tunnel goes on.
func (a *answer) close() {
	x := a.enter()
	if x == nil {
		return
	}
	defer a.leave()
	if x.readOver {
		return
	}
	if !x.tunnel || x.upload.input == nil {
		x.release()
	}
	x.endReading()
}

// trailers returns the trailer fields of the response, as they are passed on.
func (x *exchange) trailers() app.Fields {
	fields := x.call.Trailers()
	if len(fields) == 0 {
		return nil
	}
	return forwardedTrailers(fields, x.settings.response.Drops()).Clone(0)
}

// upload is the content of the request, as the call reads it: that of the client's
// request, or the client's bytes in a tunnel.
type upload struct {
	x      *exchange
	input  spi.TunnelInput // nil: the tunnel is not open
	woken  func()          // wake, as a value
	ready  func()          // of the call, which waits
	read   int64           // bytes of the client's content
	more   bool            // the call was not told yet of content
	tunnel bool            // it is that of a tunnel
	over   bool            // the client's content has ended, or failed
}

var (
	_ spi.Source    = (*upload)(nil)
	_ spi.EndWaiter = (*upload)(nil)
)

func (u *upload) init(x *exchange) { u.x, u.woken = x, u.wake }

func (u *upload) reset() { *u = upload{x: u.x, woken: u.woken} }

// open lets the client's bytes in a tunnel flow.
func (u *upload) open(in spi.TunnelInput) {
	u.input = in
	u.wake()
}

// Length implements app.Content.
func (u *upload) Length() int64 {
	if u.tunnel {
		return -1
	}
	return u.x.r.ContentLength
}

// Read implements spi.Source.
func (u *upload) Read(p []byte) (n int, err error) {
	x := u.x
	u.more = false
	switch {
	case x.r == nil:
		return 0, app.ErrPeerGone
	case !u.tunnel:
		n, err = core.TakeBody(x.r, p, u.woken)
		if u.read += int64(n); x.settings.maxBody > 0 && u.read > x.settings.maxBody {
			return 0, errBodyTooLarge
		}
	case u.input != nil:
		n, err = u.input.ReadBody(p, u.woken)
	}
	if n > 0 {
		x.moved = true
	}
	u.over = u.over || err != nil || x.r.ContentLength >= 0 && u.read == x.r.ContentLength
	if x.copies != nil {
		x.keepForCopies(p[:n], u.over, err)
	}
	return n, err
}

// Wait implements spi.Source.
func (u *upload) Wait(ready func()) {
	if u.more {
		ready()
		return
	}
	u.ready = ready
}

// WaitEnd implements spi.EndWaiter.
func (u *upload) WaitEnd(ready func()) { u.Wait(ready) }

// wake tells the call that there is content, or its end. It is called on the loop, as user
// code or owned.
func (u *upload) wake() {
	guard := u.x.l.guard
	if !guard.Enter() {
		return
	}
	defer guard.Leave()
	u.more = true
	if ready := u.ready; ready != nil {
		u.ready = nil
		ready()
	}
}

// Trailers implements spi.Source.
func (u *upload) Trailers() app.Fields {
	if u.x.r == nil || u.tunnel {
		return nil
	}
	return forwardedTrailers(u.x.r.Trailers(), u.x.settings.dropsTrailer)
}

// Close implements spi.Source. The rest of the request is the server's matter.
func (u *upload) Close() error { return nil }
