package overhttp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/ws"
)

// socket is a WebSocket on an HTTP/1.1 connection of net/http. The goroutine of the request reads from the connection,
// another one writes, and the loop has everything else.
type socket struct {
	x       *exchange
	conn    net.Conn
	user    spi.Socket
	machine ws.Conn

	input   []byte        // not consumed yet
	held    bool          // input waits for the application
	resumed chan struct{} // it waits no longer
	ends    []uint64      // of queued messages, on the scale of ws.Conn.Sent
	low     int           // mark of AwaitDrain; -1: none

	touched bool // flush is posted
	writing bool // the writer has output
	output  chan []byte
	timer   *time.Timer // of the machine's deadline; nil: not set
	ended   bool        // Ended was called
	over    bool        // the connection has ended
}

// socketRoom is the number of bytes that are read or written at once.
const socketRoom = 64 << 10

// upgrade accepts a WebSocket and serves it, or answers with the refusal of its handshake. In the goroutine of net/http.
func (x *exchange) upgrade(w http.ResponseWriter, resp *app.Response, u *websocket.Upgrade) error {
	hello, err := ws.ParseUpgrade(x.Method, 1, x.Fields)
	if err == nil && !ws.OriginAllowed(hello.Origin, x.Client().Host, u.Endpoint.Origins) {
		// RFC 6455 section 4.2.2: 403 for an origin that is not allowed.
		err = &ws.HandshakeError{Status: 403, Reason: "pages of the origin " + hello.Origin + " may not open a WebSocket here"}
	}
	if refusal, ok := errors.AsType[*ws.HandshakeError](err); ok {
		setFields(w.Header(), refusal.Fields)
		http.Error(w, refusal.Reason, refusal.Status)
		return nil
	}
	supported := u.Endpoint.Protocols
	if u.Protocol != "" {
		supported = []string{u.Protocol}
	}
	protocol := ws.ChooseProtocol(hello.Protocols, supported)
	policy := deflatePolicy(u.Endpoint)
	ext, extensions := policy.Answer(hello.Extensions)
	fields := append(resp.Fields.Clone(0), ws.AnswerFields(&hello, protocol, extensions)...)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		http.Error(w, "there are no WebSockets here", http.StatusNotImplemented)
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(switchingHead(fields)); err != nil {
		return app.ErrPeerGone
	}
	s := &socket{x: x, conn: conn, low: -1, resumed: make(chan struct{}, 1), output: make(chan []byte, 1)}
	go s.write()
	defer close(s.output)
	x.handler.loop.do(func() { s.open(u, protocol, ext) })
	s.read(buffered)
	return nil
}

// switchingHead returns the head of a 101, whose fields are written as net/http writes them.
func switchingHead(fields app.Fields) []byte {
	h := http.Header{}
	setFields(h, fields)
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&head) // a Buffer does not fail
	head.WriteString("\r\n")
	return head.Bytes()
}

// deflatePolicy returns the policy of an endpoint for permessage-deflate.
func deflatePolicy(e *websocket.Endpoint) *ws.DeflatePolicy {
	c := e.Compression
	return &ws.DeflatePolicy{
		Off: c.Off, ServerContext: c.ServerContext, ClientContext: c.ClientContext,
		ServerWindowBits: c.ServerWindowBits, ClientWindowBits: c.ClientWindowBits,
	}
}

// open starts the application's side. On the loop.
func (s *socket) open(u *websocket.Upgrade, protocol string, ext ws.Deflate) {
	e := u.Endpoint
	s.tick()
	s.machine.Init(&s.x.handler.sockets, ws.Server, ext, &ws.Settings{
		Message: e.MaxMessage, Frame: e.MaxFrame, Fragment: e.Fragment, CompressFrom: e.Compression.MinSize,
		KeepAlive: spi.PingAfter(e), PongTimeout: e.PongTimeout, Idle: e.IdleTimeout,
		MessageTimeout: e.MessageTimeout, Ratio: e.Compression.MaxRatio, CloseTimeout: e.CloseTimeout,
	})
	s.x.socket = s
	s.user.Bind((*wire)(s), u, protocol)
	s.failed(s.user.Opened(&s.x.Request))
	spi.Cancel(&s.x.Request, nil)
	if s.x.Draining() {
		s.goAway()
	}
	s.flush()
}

// tick tells the machines the time.
func (s *socket) tick() { s.x.handler.sockets.Tick(time.Now()) }

// read passes input to the loop until the connection ends. In the goroutine of net/http.
func (s *socket) read(from io.Reader) {
	p := make([]byte, socketRoom)
	for {
		n, err := from.Read(p)
		held := false
		s.x.handler.loop.do(func() {
			s.tick()
			s.input = append(s.input, p[:n]...)
			s.feed()
			if held = s.held; !held && err != nil {
				s.inputEnded()
			}
		})
		for held {
			<-s.resumed
			s.x.handler.loop.do(func() {
				if held = s.held; !held && err != nil {
					s.inputEnded()
				}
			})
		}
		if err != nil {
			return
		}
	}
}

// write writes what the loop gives it.
func (s *socket) write() {
	for p := range s.output {
		_, err := s.conn.Write(p)
		s.x.handler.loop.Post(func() { s.written(p, err) })
	}
}

// feed processes input until the machine needs more or the application makes it wait. On the loop.
func (s *socket) feed() {
	ev := &s.x.handler.event
	for !s.held {
		n, err := s.machine.Next(s.input, ev)
		s.input = s.input[n:]
		if err != nil {
			s.fail(err)
			break
		}
		switch ev.Kind {
		case ws.Data:
			more, err := s.user.Receive(websocket.Kind(ev.Op), ev.Data, ev.First, ev.Final)
			if !more && s.machine.Open() {
				s.held = true
				s.machine.Pause()
			}
			s.failed(err)
			continue
		case ws.Pong:
			s.failed(s.user.Ponged(ev.Data))
			continue
		case ws.Close:
			s.end(websocket.Closed{Code: int(ev.Code), Reason: ev.Reason})
			continue
		case ws.Closed:
			s.input = nil
		case ws.NeedMore:
		default:
			continue
		}
		break
	}
	s.flush()
}

// failed closes with 1011 for an error of the application, and logs it. It ignores nil.
func (s *socket) failed(err error) {
	if err == nil {
		return
	}
	s.x.logFailure(err)
	if s.machine.Close(ws.CloseInternalError, "") == nil {
		s.closing()
	}
}

// fail ends the socket for an error of the machine, which has queued the Close frame.
func (s *socket) fail(err error) {
	c := websocket.Closed{Code: websocket.CloseAbnormal, Err: err}
	if e, ok := errors.AsType[*ws.Error](err); ok {
		c.Code, c.Reason = int(e.Code), e.Reason
	}
	s.end(c)
}

// inputEnded handles the end of the input, and of the connection. On the loop.
func (s *socket) inputEnded() {
	_ = s.machine.EOF() // it releases a message in progress
	s.end(websocket.Closed{Code: websocket.CloseAbnormal, Err: app.ErrPeerGone})
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// end calls the application's Ended with c, once.
func (s *socket) end(c websocket.Closed) {
	if s.ended {
		return
	}
	s.ended, s.low = true, -1
	if err := s.user.Ended(c); err != nil {
		s.x.logFailure(err)
	}
	s.resume()
}

// goAway closes the socket because the server drains.
func (s *socket) goAway() {
	s.tick()
	if s.machine.Close(ws.CloseGoingAway, "") == nil {
		s.closing()
	}
}

// closing follows the queuing of a Close frame: input flows, so that the peer's Close frame is read.
func (s *socket) closing() {
	s.resume()
	s.touch()
}

// resume lets input flow that the application has held.
func (s *socket) resume() {
	if !s.held {
		return
	}
	s.held = false
	s.machine.Resume()
	s.x.handler.loop.Post(func() {
		s.tick()
		s.feed()
		if !s.held {
			select {
			case s.resumed <- struct{}{}:
			default:
			}
		}
	})
}

// touch posts flush.
func (s *socket) touch() {
	if !s.touched {
		s.touched = true
		s.x.handler.loop.Post(func() {
			s.touched = false
			s.flush()
		})
	}
}

// flush gives output to the writer, ends the connection after the closing handshake, and sets the timer. On the loop.
func (s *socket) flush() {
	if s.writing || s.over {
		return
	}
	s.tick()
	p := s.machine.Transmit(nil, socketRoom)
	switch {
	case len(p) > 0:
		s.writing = true
		s.output <- p // has room: the writer has nothing else
		if s.low >= 0 && s.machine.Queued() <= s.low {
			s.low = -1
			s.x.handler.loop.Post(s.user.QueueDrained)
		}
	case s.machine.Done():
		s.cut()
		return
	}
	s.arm()
}

// written follows a write. On the loop.
func (s *socket) written(p []byte, err error) {
	s.writing = false
	s.x.sent += int64(len(p))
	if err != nil {
		s.cut()
		return
	}
	s.flush()
}

// cut ends the connection, and so the reader.
func (s *socket) cut() { _ = s.conn.Close() }

// arm sets the timer to the machine's deadline.
func (s *socket) arm() {
	d := s.machine.Deadline()
	if d.IsZero() {
		return
	}
	after := max(time.Until(d), 0)
	if s.timer == nil {
		s.timer = time.AfterFunc(after, func() { s.x.handler.loop.Post(s.expire) })
		return
	}
	s.timer.Reset(after)
}

// expire does what is due. On the loop.
func (s *socket) expire() {
	if s.over {
		return
	}
	closing := !s.machine.Open()
	if err := s.machine.Expire(time.Now()); err != nil {
		s.fail(err)
		if closing {
			// RFC 6455 section 7.1.7: neither role waits longer for the peer's end.
			s.cut()
			return
		}
	}
	s.flush()
}

// cutSocket ends the connection of a WebSocket. On the loop.
func (x *exchange) cutSocket() {
	if x.socket != nil {
		x.socket.cut()
	}
}
