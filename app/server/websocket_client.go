//go:build linux

package server

import (
	"errors"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/internal/linked"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// clientSocket is a WebSocket to another server, over a call that has opened a tunnel: the same over HTTP/1.1 and
// HTTP/2. It is the content of the call's request. It belongs to the loop.
type clientSocket struct {
	socket
	linked.Links[clientSocket] // in loop.clientSockets while listed is set

	offer *spi.SocketOffer // until Open
	hello ws.Hello         // until Open
	call  spi.SocketCall   // from Open on
	timer socketTimer

	// arrived and task are the methods inputArrived and pump.
	arrived, task func()

	kept []byte // input that waits, or an incomplete frame header
	wake func() // of Source.Wait; nil: nobody waits for output

	listed    bool // in loop.clientSockets
	reading   bool // ReadBody will call inputArrived
	feeding   bool // input is processed; in other tasks: user code from which the loop was taken still does so
	postponed bool // a task is posted that announces output beyond the turn's budget
	inputOver bool // ReadBody has returned an error
	callOver  bool // CallEnded was called
	released  bool // the call was released
}

var (
	_ spi.SocketDialer = (*loop)(nil)
	_ spi.SocketDialer = (*exchangeLoop)(nil)
	_ spi.ClientSocket = (*clientSocket)(nil)
	_ carrier          = (*clientSocket)(nil)
)

// ClientSocket implements spi.SocketDialer.
func (l *loop) ClientSocket(o *spi.SocketOffer) spi.ClientSocket {
	s := &clientSocket{offer: o}
	s.loop, s.carrier = l, s
	s.arrived, s.task = s.inputArrived, s.pump
	return s
}

// ClientSocket implements spi.SocketDialer.
func (e *exchangeLoop) ClientSocket(o *spi.SocketOffer) spi.ClientSocket {
	return e.loop.ClientSocket(o)
}

// Offer implements spi.ClientSocket.
func (s *clientSocket) Offer(protocol string) (app.Fields, error) {
	s.hello = ws.Hello{Protocols: s.offer.Protocols}
	if extensions := s.options().deflate.Offer(); extensions != "" {
		s.hello.Extensions = []string{extensions}
	}
	if protocol != app.HTTP2 {
		s.hello.Key = ws.NewKey(&s.loop.ws)
	}
	fields, err := ws.OfferFields(&s.hello)
	return app.Fields(fields), err
}

func (s *clientSocket) options() *endpointOptions { return endpointOptionsOf(s.offer.Upgrade.Endpoint) }

// Open implements spi.ClientSocket.
func (s *clientSocket) Open(in *spi.Incoming, call spi.SocketCall) (*websocket.Socket, error) {
	t := s.options()
	protocol, ext, err := ws.CheckAnswer(&s.hello, &t.deflate, in.Status, in.Fields)
	if err == nil && !call.Tunnel() {
		err = errNoTunnel
	}
	if err != nil {
		return nil, &client.Error{Kind: client.UpstreamMalformed, Sent: true, Err: err}
	}
	o := s.offer
	s.offer, s.hello = nil, ws.Hello{}
	s.call = call
	s.loop.tick()
	s.begin(s.loop, s.conn, in.Protocol, ws.Client, t, ext)
	s.loop.clientSockets.Push(s)
	s.listed = true
	s.user.Bind((*wire)(&s.socket), o.Upgrade, protocol)
	// User code may stall: all that follows it is in tasks.
	s.release()
	s.opened(o.Asking)
	return &s.user.Socket, nil
}

// start records the connection of the call whose content the socket is.
func (s *clientSocket) start(c *reactor.Conn) { s.conn = c }

var errNoTunnel = errors.New("the response opens no tunnel")

// CallEnded implements spi.ClientSocket.
func (s *clientSocket) CallEnded(err error) {
	s.callOver = true
	if s.feeding {
		// The connection was closed for a callback that stalls. Input behind the message is not contiguous.
		s.close(err)
		return
	}
	s.release()
}

// GoAway implements spi.ClientSocket.
func (s *clientSocket) GoAway() {
	if !s.released {
		s.goAway()
	}
}

// drainClientSockets closes the WebSockets to other servers because this one stops.
func (l *loop) drainClientSockets() {
	for l.clientSockets.Len() > 0 {
		s := l.clientSockets.Pop()
		s.listed = false
		s.GoAway()
	}
}

// inputArrived is the callback of ReadBody.
func (s *clientSocket) inputArrived() {
	s.reading = false
	s.pump()
}

// pump reads and processes input until there is no more, the application holds it, or the turn's budget is spent.
func (s *clientSocket) pump() {
	if s.released || s.feeding || s.intake == held {
		return
	}
	s.loop.tick()
	// The machine may have events without further input.
	s.process(s.kept)
	for s.intake == flowing && !s.released && !s.reading && !s.inputOver {
		s.read()
	}
	if s.intake == yielded {
		s.release()
	}
	if s.machine.Queued() > 0 || s.machine.Done() {
		s.announce()
	}
	if s.inputOver && s.callOver && s.intake == flowing {
		s.close(app.ErrPeerGone)
	}
	s.watch()
}

// read reads input behind the incomplete frame header that is kept, and processes it.
func (s *clientSocket) read() {
	chunk := s.loop.chunks.get(chunkSize)
	in := append(chunk, s.kept...)
	n, err := s.call.ReadBody(in[len(in):cap(in)], s.arrived)
	switch {
	case n > 0:
		s.process(in[:len(in)+n])
	case err != nil:
		s.endInput(err)
	default:
		s.reading = true
	}
	// A chunk that a stalled callback may still be reading never comes back.
	s.loop.chunks.put(chunk)
}

// process feeds the machine, and keeps what it does not use.
func (s *clientSocket) process(in []byte) {
	kept := s.kept[:0]
	s.kept, s.feeding = nil, true
	used := s.feed(in)
	s.feeding = false
	if used < len(in) {
		s.kept = append(kept, in[used:]...)
	}
}

// endInput handles the error of ReadBody. RFC 6455 section 7.1.1: the server ends the transport first.
func (s *clientSocket) endInput(err error) {
	s.inputOver, s.fin = true, true
	if err == io.EOF {
		s.inputEnded()
		return
	}
	s.close(err)
}

// Length implements spi.Source.
func (s *clientSocket) Length() int64 { return -1 }

// Read implements spi.Source. The end of the socket is that of the content.
func (s *clientSocket) Read(p []byte) (int, error) {
	switch {
	case s.call == nil:
		return 0, nil
	case s.machine.Compresses() && s.loop.r.Spent():
		s.postpone()
		return 0, nil
	}
	n := len(s.transmit(p[:0], len(p)))
	s.watch()
	if s.machine.Done() {
		return n, io.EOF
	}
	return n, nil
}

// postpone leaves the compression of further output to the next turn.
func (s *clientSocket) postpone() {
	if s.postponed {
		return
	}
	s.postponed = true
	s.loop.r.Post(func() {
		s.postponed = false
		s.announce()
	})
}

// Wait implements spi.Source.
func (s *clientSocket) Wait(ready func()) { s.wake = ready }

// Trailers implements spi.Source.
func (s *clientSocket) Trailers() app.Fields { return nil }

// Close implements spi.Source. CallEnded follows it.
func (s *clientSocket) Close() error {
	s.wake = nil
	return nil
}

// announce implements carrier.
func (s *clientSocket) announce() {
	if ready := s.wake; ready != nil {
		s.wake = nil
		ready()
	}
}

// release implements carrier.
func (s *clientSocket) release() { s.loop.r.Post(s.task) }

// watch implements carrier.
func (s *clientSocket) watch() {
	if d := s.deadline(); s.timer.late(d) {
		s.timer.set(s.loop, d, s.timeout)
	}
}

// timeout is called by the timer.
func (s *clientSocket) timeout() {
	s.timer.fired()
	s.loop.tick()
	s.expire(s.loop.r.Now())
	s.watch()
}

// cut implements carrier.
func (s *clientSocket) cut() { s.close(app.ErrPeerGone) }

// close releases the call, and ends the socket with err unless it has ended.
func (s *clientSocket) close(err error) {
	if s.released {
		return
	}
	s.released = true
	s.kept, s.wake = nil, nil
	s.timer.end()
	if s.listed {
		s.listed = false
		s.loop.clientSockets.Remove(s)
	}
	s.call.Release()
	s.peerGone(err)
}

// memory implements carrier.
func (s *clientSocket) memory() *memory { return &s.loop.messages }
