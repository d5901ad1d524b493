//go:build linux

package server

import (
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// socket is a WebSocket: its machine and the application's side of it. It is embedded by h1Socket and h2Socket, which
// carry its bytes from and to clients, and by clientSocket, for which the peer is the server. It belongs to the loop. An idle one holds no other memory.
type socket struct {
	user    spi.Socket
	machine ws.Conn
	carrier carrier
	loop    *loop
	conn    *reactor.Conn
	rare    *socketRare // nil: it has none

	low int32 // bytes in the queue at which QueueDrained is to be called, plus 1; 0 if it is not

	intake intake
	fin    bool // the peer sends nothing more
	ended  bool // Ended was called
	idle   bool // closed by the idle timeout, and counted
}

// intake is what happens to input:
//
//	         a callback's future is pending
//	flowing ─────────────────────────────────▶ held
//	  │  ▲  ◀─────────────────────────────────
//	  │  │           Wire.Resume, Close
//	  │  └─────── the next turn
//	  ▼         │
//	yielded ────┘  the turn's budget is spent
type intake uint8

const (
	flowing intake = iota // input is processed as it arrives
	held                  // input waits for the application
	yielded               // input, or what the machine still has of it, waits for the next turn
)

// carrier is the transport of a socket: h1Socket, h2Socket or clientSocket. Its methods are called on the loop, owned.
type carrier interface {
	// announce is called when there is output, or the transport should end.
	announce()
	// release posts a task that processes waiting input.
	release()
	// watch is called when the deadline may be earlier than before.
	watch()
	// cut ends the transport without further output, and the socket.
	cut()
	// memory returns the limit for incomplete messages. Any goroutine.
	memory() *memory
}

// socketRare is the state of sockets whose queued messages are counted, that observers are told of, or that count for their
// client.
type socketRare struct {
	peer     *reactor.Peer // for which the WebSocket counts as a request; nil: none
	marks    *marks        // of queued messages; nil if they are not counted
	seen     *exchange     // what is told at the end; nil if there are no observers, or they were told
	received int64         // bytes of frames
}

// ensureRare returns the rare state, allocated if there was none.
func (s *socket) ensureRare() *socketRare {
	if s.rare == nil {
		s.rare = &socketRare{}
	}
	return s.rare
}

// marks returns the marks of queued messages; nil if they are not counted.
func (s *socket) marks() *marks {
	if s.rare == nil {
		return nil
	}
	return s.rare.marks
}

// marks are the positions of the ends of queued messages, on the scale of ws.Conn.Sent.
type marks struct {
	ends []uint64
}

// add records a message that ends at end.
func (m *marks) add(sent, end uint64) {
	m.forget(sent)
	m.ends = append(m.ends, end)
}

// forget drops the messages that were sent.
func (m *marks) forget(sent uint64) {
	left := 0
	for left < len(m.ends) && m.ends[left] <= sent {
		left++
	}
	if m.ends = m.ends[left:]; len(m.ends) == 0 {
		m.ends = nil
	}
}

// begin initializes the socket, whose carrier is set, on the connection c of the protocol.
func (s *socket) begin(l *loop, c *reactor.Conn, protocol string, role ws.Role, t *endpointOptions, ext ws.Deflate) {
	s.loop, s.conn = l, c
	s.machine.Init(&l.ws, role, ext, &t.settings)
	if t.queueMessages > 0 {
		s.ensureRare().marks = &marks{}
	}
	s.carrier.memory().allow(t.largest())
	s.loop.count.socketOpened(protocol, role)
}

// String names the socket for the watchdog's report.
func (s *socket) String() string {
	info := s.loop.describe(s.conn)
	if s.machine.Role() == ws.Client {
		return "WebSocket to " + info.PeerString()
	}
	return "WebSocket from " + info.PeerString()
}

// opened tells the application that the handshake is complete.
func (s *socket) opened(r *app.Request) {
	s.loop.r.Lend(s.conn, &socketSubject)
	err := s.user.Opened(r)
	s.loop.r.Reclaim()
	s.handlerFailed(err)
}

// handlerFailed reports an error of the application and closes the socket with 1011. It ignores nil.
func (s *socket) handlerFailed(err error) {
	if err == nil {
		return
	}
	if s.loop.reportFor(s.conn, s, err).panicked {
		s.endsBy(spi.EndedByPanic, "")
	}
	s.endsBy(spi.EndedByHandler, "")
	s.loop.tick()
	if s.machine.Close(ws.CloseInternalError, "") == nil {
		s.closing()
	}
}

// feed processes input until the machine needs more, the application makes it wait or the turn's budget is spent.
// What is not used must be presented again.
func (s *socket) feed(in []byte) (used int) {
	ev := s.loop.wsEvent
	events := eventsPerUnit - 1 // the call itself costs as much
	if s.intake == yielded {
		s.intake = flowing
	}
	for s.intake == flowing {
		n, err := s.machine.Next(in[used:], ev)
		used += n
		if s.rare != nil {
			s.rare.received += int64(n)
		}
		if err != nil {
			if !s.ended {
				s.loop.refused(MalformedWebSocket, s.conn, err)
			}
			s.endsFor(reasonOfSocket(err))
			s.fail(err)
			return len(in)
		}
		switch ev.Kind {
		case ws.NeedMore:
			return used
		case ws.Data:
			s.receive(ev)
		case ws.Pong:
			s.ponged(ev)
		case ws.Close:
			s.end(websocket.Closed{Code: int(ev.Code), Reason: ev.Reason})
		case ws.Closed:
			return len(in)
		}
		events++
		s.charge(events / eventsPerUnit)
		events %= eventsPerUnit
		if s.intake == flowing && s.loop.r.Spent() {
			s.intake = yielded
		}
	}
	return used
}

// eventsPerUnit is the number of small messages in a unit of work: each takes a quarter of a microsecond.
const eventsPerUnit = 4

// charge counts work, and that of the machine since the last call, in the turn's budget.
func (s *socket) charge(units int) { s.loop.r.Charge(units + s.loop.ws.TakeWork()) }

func (s *socket) receive(ev *ws.Event) {
	kind, data, first, final := websocket.Kind(ev.Op), ev.Data, ev.First, ev.Final
	s.loop.r.Lend(s.conn, &socketSubject)
	more, err := s.user.Receive(kind, data, first, final)
	s.loop.r.Reclaim()
	if !more && s.machine.Open() {
		s.intake = held
		s.machine.Pause()
	}
	s.handlerFailed(err)
}

func (s *socket) ponged(ev *ws.Event) {
	data := ev.Data
	s.loop.r.Lend(s.conn, &socketSubject)
	err := s.user.Ponged(data)
	s.loop.r.Reclaim()
	s.handlerFailed(err)
}

// resume lets input that the application has held flow again.
func (s *socket) resume() {
	if s.intake == held && !s.ended {
		s.loop.tick()
		s.intake = flowing
		s.machine.Resume()
		s.carrier.release()
	}
}

// fail ends the socket for an error of the machine, which has queued the Close frame.
func (s *socket) fail(err error) {
	c := websocket.Closed{Code: websocket.CloseAbnormal, Err: err}
	var e *ws.Error
	if errors.As(err, &e) {
		c.Code, c.Reason = int(e.Code), e.Reason
	}
	s.end(c)
}

// reasonOfSocket returns the reason of a socket that ends for an error of its machine.
func reasonOfSocket(err error) Reason {
	if e, ok := errors.AsType[*ws.Error](err); ok && e.Code == ws.CloseTryAgainLater {
		return MessageMemory
	}
	return MalformedWebSocket
}

// peerGone ends the socket because its transport has ended.
func (s *socket) peerGone(err error) {
	_ = s.machine.EOF() // it releases a message in progress
	s.end(websocket.Closed{Code: websocket.CloseAbnormal, Err: err})
}

// inputEnded handles the end of the input.
func (s *socket) inputEnded() {
	if s.machine.EOF() != nil {
		// RFC 6455 section 7.1.5: without a Close frame the connection was lost.
		s.peerGone(app.ErrPeerGone)
	}
}

// end calls the application's Ended with c, once.
func (s *socket) end(c websocket.Closed) {
	if s.ended {
		return
	}
	s.ended, s.low = true, 0
	if s.intake == held {
		s.intake = flowing
	}
	s.loop.count.socketClosed(s.machine.Role())
	s.leavePeer()
	s.tellEnd() // first: the loop may be taken from the application's code
	s.loop.r.Lend(s.conn, &socketSubject)
	err := s.user.Ended(c)
	s.loop.r.Reclaim()
	if err != nil {
		s.loop.reportFor(s.conn, s, err)
	}
}

// goAway closes the socket because the server stops.
func (s *socket) goAway() {
	s.loop.tick()
	s.endsBy(spi.EndedByDrain, "")
	if s.machine.Close(ws.CloseGoingAway, "") == nil {
		s.closing()
	}
}

// closing follows the queuing of a Close frame. The time of the closing handshake starts although output before
// it may be stuck, and input flows so that the peer's Close frame is read.
func (s *socket) closing() {
	s.carrier.announce()
	s.carrier.watch()
	s.resume()
}

// transmit pulls output.
func (s *socket) transmit(dst []byte, room int) []byte {
	start := len(dst)
	dst = s.machine.Transmit(dst, room)
	s.charge(0)
	if len(dst) == start {
		return dst
	}
	if s.low > 0 && s.machine.Queued() < int(s.low) {
		s.low = 0
		s.loop.r.Post(s.drained)
	}
	return dst
}

// drained is a task: it cannot run while output is being pulled.
func (s *socket) drained() {
	if !s.ended {
		s.run(s.user.QueueDrained)
	}
}

// run runs a task of the application.
func (s *socket) run(task func()) { s.loop.runFor(s.conn, s, task) }

// deadline returns when expire must be called next; zero: never. While the server drains, the closing handshake has
// its time as well.
func (s *socket) deadline() time.Time {
	d := s.machine.Deadline()
	if by := s.loop.drainBy(); by != 0 && !s.machine.Open() {
		if end := s.loop.r.Now().Add(time.Duration(by - s.loop.instant())); d.IsZero() || end.Before(d) {
			return end
		}
	}
	return d
}

var errSocketIdle = errors.New("websocket: no message within the idle timeout")

// expire does what is due at now.
func (s *socket) expire(now time.Time) {
	if !s.machine.Open() && s.loop.drainBy().passed(s.loop.instant()) {
		s.endsBy(spi.EndedByDrain, "")
		s.carrier.cut()
		return
	}
	if d := s.machine.Deadline(); d.IsZero() || now.Before(d) {
		return
	}
	closing := !s.machine.Open()
	err := s.machine.Expire(now)
	switch {
	case err != nil:
		if !s.idle {
			s.loop.refused(WebSocketTimeout, s.conn, err)
		}
		s.endsFor(WebSocketTimeout)
		s.fail(err)
	case !closing && !s.machine.Open():
		s.idle = true
		s.endsFor(WebSocketTimeout)
		s.loop.refused(WebSocketTimeout, s.conn, errSocketIdle)
	}
	if err != nil && closing {
		// RFC 6455 section 7.1.7: neither role waits longer for the peer's end.
		s.carrier.cut()
		return
	}
	s.carrier.announce()
}

// queued follows the queuing of a message, and returns the number of bytes that wait.
func (s *socket) queued() int {
	n := s.machine.Queued()
	if m := s.marks(); m != nil {
		sent := s.machine.Sent()
		m.add(sent, sent+uint64(n))
	}
	s.carrier.announce()
	return n
}

// messages returns the number of messages in the queue; 0 if they are not counted.
func (s *socket) messages() int {
	m := s.marks()
	if m == nil {
		return 0
	}
	m.forget(s.machine.Sent())
	return len(m.ends)
}

// isFull reports whether the endpoint's limits exclude another message.
func (s *socket) isFull() bool {
	queued := s.machine.Queued()
	if queued == 0 {
		return false
	}
	t := endpointOptionsOf(s.user.Endpoint())
	return queued >= t.queueBytes || s.marks() != nil && s.messages() >= t.queueMessages
}
