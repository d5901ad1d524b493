package apptest

import (
	"io"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// backendCall is a request to a Backend: an spi.Call for the package client, whose other
// side is a Call of the backend's handler.
type backendCall struct {
	conn      *BackendConn
	events    spi.CallEvents
	fault     Fault
	handled   *Call
	upload    *uploadSource
	held      bool // content waits for 100 (Continue)
	reads     bool // the handler has read content
	scheduled bool
	interims  int // told
	head      bool
	ended     bool
	released  bool
	err       *client.Error
	ready     func()
	any       bool // a byte of a response has come
}

// window is the number of bytes that are under way in each direction of a call.
const window = 64 << 10

func newBackendCall(c *BackendConn, out *spi.Outgoing, e spi.CallEvents, fault Fault) *backendCall {
	b := &backendCall{conn: c, events: e, fault: fault, held: out.Expect}
	req := &Request{
		Method: out.Method, Target: out.Target, Host: out.Authority, Fields: out.Fields.Clone(0),
		Protocol: c.protocol, Loop: c.loop.index, Slow: true, Room: window,
	}
	switch content := out.Content.(type) {
	case nil:
	case app.Bytes:
		req.Body = string(content)
	case *clientSocket:
		content.backend = b
		req.Fields.Add("Connection", "Upgrade")
		req.Fields.Add("Upgrade", out.Protocol)
	case spi.Source:
		b.upload = &uploadSource{Source: content}
	case *app.Pull:
		b.upload = &uploadSource{Source: pullSource{content}}
	}
	if b.upload != nil {
		req.Open, req.Length = true, b.upload.Length()
	}
	b.handled = c.backend.host.call(req)
	b.handled.req.Scheme = out.Scheme
	b.handled.peer = b
	return b
}

// pullSource is an app.Pull as an spi.Source.
type pullSource struct{ *app.Pull }

func (s pullSource) Read(p []byte) (int, error) { return s.Pull.Read(p) }
func (s pullSource) Wait(ready func())          { s.Pull.Wait(ready) }

func (s pullSource) Trailers() app.Fields {
	if s.Pull.Trailers == nil {
		return nil
	}
	return s.Pull.Trailers()
}

// uploadSource is the content of a request, which is closed once.
type uploadSource struct {
	spi.Source
	waits, ended, closed bool
}

func (s *uploadSource) close(l *Loop) {
	if s != nil && !s.closed {
		s.closed, s.ended = true, true
		l.Post(func() { s.Close() })
	}
}

// start passes the request to the handler, unless its fault prevents that.
func (b *backendCall) start() {
	l := b.conn.loop
	switch b.fault {
	case RefuseStream:
		l.Post(func() { b.end(&client.Error{Kind: client.UpstreamReset, Sent: true, Safe: true, Err: errClosedByPeer}) })
		return
	case NeverSent:
		l.Post(func() { b.conn.end(&client.Error{Kind: client.UpstreamEOF, Safe: true, Err: errClosedByPeer}) })
		return
	}
	b.conn.backend.Calls = append(b.conn.backend.Calls, b.handled)
	l.Post(func() {
		c := b.handled
		spi.Bind(&c.req, (*exchange)(c), &b.conn.info)
		f := spi.Run(b.conn.backend.handler, &c.req, 0)
		f.Done(c.answer)
		b.fail()
	})
	b.schedule()
}

// fail makes the fault happen after the handler got the request.
func (b *backendCall) fail() {
	failure := &client.Error{Kind: client.UpstreamReset, Sent: true, Err: errClosedByPeer}
	switch b.fault {
	case EOFBeforeHead:
		failure.Kind = client.UpstreamEOF
		b.conn.end(failure)
	case CutShort:
		b.any = true
		failure.Kind = client.UpstreamEOF
		b.conn.end(failure)
	case ResetBeforeHead:
		b.reset(failure)
	}
}

// reset ends the stream, or the HTTP/1 connection.
func (b *backendCall) reset(err *client.Error) {
	if b.conn.protocol == app.HTTP11 {
		b.conn.end(err)
		return
	}
	b.any = true // RST_STREAM
	b.end(err)
}

// schedule calls deliver in a task.
func (b *backendCall) schedule() {
	if !b.scheduled && !b.released {
		b.scheduled = true
		b.conn.loop.Post(b.deliver)
	}
}

// deliver tells both sides about progress of the other.
func (b *backendCall) deliver() {
	b.scheduled = false
	if b.released {
		return
	}
	b.send()
	c := b.handled
	if b.held && b.reads {
		b.held = false
		b.any = true
		b.events.Interim(100, nil)
		b.schedule()
		return
	}
	for ; b.interims < len(c.Interims) && !b.released; b.interims++ {
		b.any = true
		b.events.Interim(c.Interims[b.interims].Status, c.Interims[b.interims].Fields)
	}
	if c.Status != 0 && !b.head && !b.ended && !b.released {
		b.head, b.any = true, true
		b.events.Head(b.incoming())
		if b.fault == ResetAfterHead && !b.released {
			b.reset(&client.Error{Kind: client.UpstreamReset, Sent: true, Err: errClosedByPeer})
		}
	}
	if b.released {
		return
	}
	switch {
	case b.ended:
	case c.Complete:
		b.end(nil)
	case c.Aborted:
		b.reset(&client.Error{Kind: client.UpstreamReset, Sent: true, Err: errClosedByPeer})
	}
	if ready := b.ready; ready != nil && !b.released && (len(c.buffered) > 0 || b.ended) {
		b.ready = nil
		ready()
	}
}

func (b *backendCall) incoming() *spi.Incoming {
	c := b.handled
	in := &spi.Incoming{Status: c.Status, Fields: c.Header, ContentLength: c.Length, Stated: -1, Protocol: b.conn.protocol}
	if c.head || c.Status == 204 || c.Status == 304 {
		in.ContentLength, in.Stated = 0, c.Length
	}
	if b.Tunnel() && b.conn.protocol == app.HTTP11 {
		in.Status = 101
	}
	in.Sensitive = func(name string) bool { return strings.EqualFold(name, "Set-Cookie") }
	return in
}

// send passes content of the request to the handler.
func (b *backendCall) send() {
	u, c := b.upload, b.handled
	if u == nil || u.ended || u.waits || b.held {
		return
	}
	for len(c.body) < window {
		p := make([]byte, 16<<10)
		n, err := u.Read(p)
		c.body = append(c.body, p[:n]...)
		switch {
		case err == io.EOF:
			c.bodyEnded, c.trailers = true, u.Trailers()
			u.close(b.conn.loop)
			c.post(&c.bodyReady)
			return
		case err != nil:
			b.conn.loop.Post(c.leave)
			b.reset(&client.Error{Kind: client.ClientMalformed, Sent: true, Err: err})
			return
		case n == 0:
			u.waits = true
			u.Wait(func() {
				u.waits = false
				b.schedule()
			})
			return
		}
		c.post(&c.bodyReady)
	}
}

// end ends the call on the connection. The response may still be read.
func (b *backendCall) end(err *client.Error) {
	if b.ended || b.released {
		return
	}
	b.ended, b.err = true, err
	b.upload.close(b.conn.loop)
	b.conn.drop(b)
	if err == nil {
		b.events.Ended(nil)
	} else {
		b.conn.loop.Post(b.handled.leave)
		b.events.Ended(err)
	}
	b.schedule()
}

// ReadBody implements spi.Call.
func (b *backendCall) ReadBody(p []byte, ready func()) (int, error) {
	c := b.handled
	switch {
	case len(c.buffered) > 0:
		return copy(p, c.take(len(p))), nil
	case b.ended && b.err != nil:
		return 0, b.err
	case c.Complete:
		return 0, io.EOF
	}
	b.ready = ready
	return 0, nil
}

// Trailers implements spi.Call.
func (b *backendCall) Trailers() app.Fields { return b.handled.Trailer }

// Proceed implements spi.Call.
func (b *backendCall) Proceed() {
	b.held = false
	b.schedule()
}

// Release implements spi.Call.
func (b *backendCall) Release() {
	if b.released {
		panic("apptest: Release is called twice")
	}
	b.released = true
	if b.ended {
		return
	}
	b.ended = true
	b.upload.close(b.conn.loop)
	b.conn.loop.Post(b.handled.leave)
	if b.conn.protocol == app.HTTP11 {
		b.conn.draining = true
	}
	b.conn.drop(b)
}

// Tunnel implements spi.Call.
func (b *backendCall) Tunnel() bool { return b.handled.socket != nil }

// ReceivedAny implements spi.Call.
func (b *backendCall) ReceivedAny() bool { return b.any }
