//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Hijack implements spi.Hijacker.
func (x *exchange) Hijack(out spi.Source) (spi.HijackedInput, error) {
	if !x.enter() {
		return nil, app.ErrPeerGone
	}
	defer x.leave()
	s, ok := x.session.(*h1Session)
	switch {
	case x.gone:
		return nil, app.ErrPeerGone
	case !ok || x.ended:
		return nil, spi.ErrNotHijackable
	}
	blank, err := s.machine.TakeOver(x.id)
	if err != nil {
		return nil, spi.ErrNotHijackable
	}
	t := s.hijack(x, out)
	for range blank {
		x.in.kept.write(&s.loop.chunks, []byte("\r\n"))
	}
	return (*hijackedInput)(t), nil
}

// hijack makes a tunnel follow the session as soon as what was sent so far has left.
func (s *h1Session) hijack(x *exchange, out spi.Source) *h1Tunnel {
	in := &inbound{owner: x}
	if unread := x.in; unread != nil {
		in.taken = unread.taken
		if x.ContentLength > 0 {
			in.kept = unread.kept
		} else {
			unread.kept.release(&s.loop.chunks)
		}
	}
	x.in = in
	s.reading = nil
	t := &h1Tunnel{x: x, hijacker: out}
	t.connection = s.connection
	t.session = t
	s.unlink(x)
	t.live = x
	x.stream.connection = &t.connection
	x.answered, x.outcome = true, Hijacked
	s.loop.count.hijacked.Add(1)
	x.waited()
	x.begun()
	s.next = &successor{tunnel: t}
	s.conn.Touch()
	return t
}

// begin starts the output of the tunnel of a hijacked connection, in place of what was left of the response.
func (t *h1Tunnel) begin() {
	x := t.x
	if t.hijacker == nil {
		return
	}
	x.freeSource()
	x.discard(x.response)
	x.out = nil
	x.response = &app.Response{Content: t.hijacker}
	x.source = t.loop.sourceReader(x, t.hijacker)
	t.conn.DoNotAwait()
}

// hijackedInput is the tunnel of a hijacked connection as the hijacker reads it.
type hijackedInput h1Tunnel

// ReadBody implements spi.TunnelInput.
func (i *hijackedInput) ReadBody(p []byte, ready func()) (int, error) { return i.x.ReadBody(p, ready) }

// CloseInput implements spi.HijackedInput.
func (i *hijackedInput) CloseInput() {
	t := (*h1Tunnel)(i)
	x := t.x
	if !x.enter() {
		return
	}
	defer x.leave()
	if x.gone {
		return
	}
	over := x.ended
	x.in.kept.release(&t.loop.chunks)
	x.endInput(io.ErrClosedPipe)
	t.release()
	if over {
		t.conn.Linger()
	}
}
