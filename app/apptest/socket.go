package apptest

import (
	"bytes"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// Socket is the peer's side of a WebSocket that a handler has accepted. Its fields may be
// read between calls of its methods and of its host's. The opening handshake always
// succeeds. The peer is the test, or, if the handler is that of a Backend, the application
// that has opened the socket by a client.Client; then the fields tell what it has got.
type Socket struct {
	// Heard has the messages that the peer has taken.
	Heard []websocket.Message
	// Frames is the number of their frames.
	Frames int
	// Pings has the payloads of the pings.
	Pings []string
	// CloseCode and CloseReason are those of the Close frame of the application or the
	// server; 0 while there is none. The peer answers it when it has taken all messages.
	CloseCode   int
	CloseReason string
	// Ended is set when the socket has ended.
	Ended bool
	// Err is the failure of the application, which a server would log.
	Err error

	call     *Call
	app      spi.Socket
	endpoint *websocket.Endpoint
	said     []websocket.Piece // sent by the peer, not received yet
	held     bool              // by Receive
	queue    []frame
	open     *websocket.Message // the part of an unfinished message that was taken
	wanted   int                // messages that WantHeard has seen
	low      int                // AwaitDrain's mark, -1: none
	peer     *Socket            // the other side, if that is an application too
	release  func()             // ends the call of a client's side
}

// frame is a frame in the queue.
type frame struct {
	kind         websocket.Kind
	first, final bool
	data         []byte
}

// Socket returns the WebSocket that the handler has accepted, or nil.
func (c *Call) Socket() *Socket { return c.socket }

// upgrade accepts a WebSocket.
func (c *Call) upgrade(u *websocket.Upgrade) {
	s := &Socket{call: c, endpoint: u.Endpoint, low: -1}
	c.socket = s
	protocol := ""
	supported := u.Endpoint.Protocols
	if u.Protocol != "" {
		supported = []string{u.Protocol}
	}
	for _, p := range supported {
		if protocol == "" && c.req.Fields.HasToken("Sec-WebSocket-Protocol", p) {
			protocol = p
		}
	}
	s.app.Bind((*wire)(s), u, protocol)
	s.failed(s.app.Opened(&c.req))
}

// App returns the application's side of the socket.
func (s *Socket) App() *websocket.Socket { return &s.app.Socket }

// Endpoint returns the endpoint with which the handler has accepted.
func (s *Socket) Endpoint() *websocket.Endpoint { return s.endpoint }

// Say sends a text message.
func (s *Socket) Say(text string) { s.SayPiece(websocket.Text, text, true, true) }

// SayBinary sends a binary message.
func (s *Socket) SayBinary(data []byte) {
	s.SayPiece(websocket.Binary, string(data), true, true)
}

// SayPiece sends a piece of a message. The application's borrowed memory is overwritten
// afterwards, as by a server.
func (s *Socket) SayPiece(kind websocket.Kind, data string, first, final bool) {
	s.said = append(s.said, websocket.Piece{Kind: kind, First: first, Final: final, Data: []byte(data)})
	s.on(s.receive)
}

// Unheard returns the number of pieces that the application has not taken.
func (s *Socket) Unheard() int { return len(s.said) }

// Pong sends a pong.
func (s *Socket) Pong(payload string) {
	s.on(func() { s.failed(s.app.Ponged([]byte(payload))) })
}

// Take makes a slow peer (Request.Slow) take n queued frames.
func (s *Socket) Take(n int) {
	s.on(func() { s.take(n) })
}

// Queued returns the number of queued frames.
func (s *Socket) Queued() int { return len(s.queue) }

// Close sends a Close frame, which ends the socket.
func (s *Socket) Close(code int, reason string) {
	s.on(func() { s.end(websocket.Closed{Code: code, Reason: reason}) })
}

// Drop breaks the connection.
func (s *Socket) Drop() {
	s.on(func() { s.end(websocket.Closed{Code: websocket.CloseAbnormal, Err: app.ErrPeerGone}) })
}

func (s *Socket) on(task func()) {
	s.call.loop.Post(task)
	s.call.host.Settle()
}

func (s *Socket) receive() {
	for len(s.said) > 0 && !s.held && !s.Ended {
		p := s.said[0]
		s.said = s.said[1:]
		if s.CloseCode != 0 {
			continue
		}
		more, err := s.app.Receive(p.Kind, p.Data, p.First, p.Final)
		copy(p.Data, bytes.Repeat([]byte("\xff"), len(p.Data)))
		s.failed(err)
		s.held = !more
	}
}

// failed closes with 1011 if err is not nil.
func (s *Socket) failed(err error) {
	if err == nil {
		return
	}
	s.Err = err
	(*wire)(s).Close(websocket.CloseInternalError, "")
}

func (s *Socket) take(n int) {
	for ; n > 0 && len(s.queue) > 0; n-- {
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.Frames++
		if f.first {
			s.open = &websocket.Message{Kind: f.kind}
		}
		s.open.Data = append(s.open.Data, f.data...)
		if f.final {
			s.Heard = append(s.Heard, *s.open)
			s.pass(*s.open)
			s.open = nil
		}
	}
	if s.low >= 0 && s.bytes() <= s.low {
		s.low = -1
		s.call.loop.Post(s.app.QueueDrained)
	}
	if s.CloseCode != 0 && len(s.queue) == 0 {
		s.end(websocket.Closed{Code: s.CloseCode})
	}
}

func (s *Socket) bytes() (n int) {
	for _, f := range s.queue {
		n += len(f.data)
	}
	return n
}

func (s *Socket) end(c websocket.Closed) {
	if s.Ended {
		return
	}
	s.Ended = true
	if err := s.app.Ended(c); err != nil {
		s.Err = err
	}
	s.endPeer()
	if s.release != nil {
		s.release()
	}
	s.call.finish()
}

// wire is the spi.Wire of a Socket.
type wire Socket

// Loop implements spi.Wire.
func (w *wire) Loop() app.Loop { return w.call.loop }

// Home implements spi.Wire.
func (w *wire) Home() app.Loop { return w.call.loop }

// Conn implements spi.Wire.
func (w *wire) Conn() *app.ConnInfo { return w.call.req.Conn() }

// Go implements spi.Spawner.
func (w *wire) Go(f func()) { (*exchange)(w.call).Go(f) }

// Park implements spi.Spawner.
func (w *wire) Park() { w.call.host.park(-1) }

// Unpark implements spi.Spawner.
func (w *wire) Unpark() { w.call.host.park(+1) }

// Send implements spi.Wire.
func (w *wire) Send(kind websocket.Kind, p []byte) (int, error) {
	if kind == websocket.Text && !utf8.Valid(p) {
		return 0, websocket.ErrText
	}
	return w.add(frame{kind, true, true, p}, true)
}

// SendPrepared implements spi.Wire.
func (w *wire) SendPrepared(p *websocket.Prepared, limit int) (int, error) {
	var made any = p
	spi.PreparedSlot(p).CompareAndSwap(nil, &made)
	if (*Socket)(w).bytes() > limit {
		return 0, app.ErrQueueFull
	}
	return w.add(frame{p.Kind(), true, true, p.Data()}, true)
}

// Begin implements spi.Wire.
func (w *wire) Begin(kind websocket.Kind) error {
	_, err := w.add(frame{kind, true, false, nil}, true)
	return err
}

// Write implements spi.Wire.
func (w *wire) Write(p []byte) (int, error) { return w.add(frame{data: p}, false) }

// End implements spi.Wire.
func (w *wire) End() (int, error) { return w.add(frame{final: true}, false) }

func (w *wire) add(f frame, limited bool) (int, error) {
	(*exchange)(w.call).onLoop()
	s := (*Socket)(w)
	bytes, messages := spi.QueueLimits(s.endpoint)
	switch {
	case s.Ended || s.CloseCode != 0:
		return 0, websocket.ErrClosed
	case limited && (s.bytes() >= bytes || messages > 0 && len(s.queue) >= messages):
		return 0, app.ErrQueueFull
	}
	f.data = append([]byte(nil), f.data...)
	s.queue = append(s.queue, f)
	if !s.call.slow || s.peer != nil {
		s.take(1)
	}
	return s.bytes(), nil
}

// Ping implements spi.Wire.
func (w *wire) Ping(payload []byte) error {
	if w.Ended || w.CloseCode != 0 {
		return websocket.ErrClosed
	}
	w.Pings = append(w.Pings, string(payload))
	if w.peer != nil {
		pong := append([]byte(nil), payload...)
		w.call.loop.Post(func() {
			if s := (*Socket)(w); !s.Ended {
				s.failed(s.app.Ponged(pong))
			}
		})
	}
	return nil
}

// Close implements spi.Wire.
func (w *wire) Close(code int, reason string) error {
	if w.Ended || w.CloseCode != 0 {
		return websocket.ErrClosed
	}
	w.CloseCode, w.CloseReason = code, reason
	if len(w.queue) == 0 {
		w.call.loop.Post(func() { (*Socket)(w).end(websocket.Closed{Code: code}) })
	}
	return nil
}

// Queued implements spi.Wire.
func (w *wire) Queued() (bytes, messages int) { return (*Socket)(w).bytes(), len(w.queue) }

// AwaitDrain implements spi.Wire.
func (w *wire) AwaitDrain(low int) { w.low = low }

// Resume implements spi.Wire.
func (w *wire) Resume() {
	w.held = false
	w.call.loop.Post((*Socket)(w).receive)
}

// Fail implements spi.Wire.
func (w *wire) Fail(err error) { (*Socket)(w).failed(err) }
