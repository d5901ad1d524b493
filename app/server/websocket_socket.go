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

// socket binds one WebSocket: its machine and what the application sees of it. It is the same over both
// transports; h1Socket and h2Socket carry it. All of it belongs to the loop. An idle one holds nothing
// else.
type socket struct {
	user    spi.Socket
	machine ws.Conn
	carrier carrier
	loop    *loop
	conn    *reactor.Conn
	marks   *marks // of queued messages; nil: they are not counted

	low int32 // the mark at which the application is told of the drained queue, plus 1; 0: it is not

	held    bool // the application has not taken the last message: input waits
	yielded bool // the turn's budget was spent: input, or what the machine has of it, waits for another turn
	fin     bool // the peer sends nothing more
	ended   bool // the application knows that the socket is over
}

// carrier is what a socket asks of its transport. On the loop, owned.
type carrier interface {
	// announce: output waits, or all of it has left and the transport is to end.
	announce()
	// release: input that was held back is to be presented again, not from inside this call.
	release()
	// watch: something may be due earlier than before.
	watch()
	// cut ends the transport without further output.
	cut()
	// memory is what incomplete messages may take. Any goroutine.
	memory() *memory
}

// marks are the ends of queued messages in the output, on the scale of ws.Conn.Sent.
type marks struct {
	ends []uint64
}

// add remembers a message that ends there.
func (m *marks) add(sent, end uint64) {
	m.forget(sent)
	m.ends = append(m.ends, end)
}

// forget drops the messages that have left.
func (m *marks) forget(sent uint64) {
	left := 0
	for left < len(m.ends) && m.ends[left] <= sent {
		left++
	}
	if m.ends = m.ends[left:]; len(m.ends) == 0 {
		m.ends = nil
	}
}

// begin makes the socket ready, on a transport that is set.
func (s *socket) begin(x *exchange, t *terms, ext ws.Deflate) {
	s.loop, s.conn = x.loop, x.conn
	s.machine.Init(&x.loop.ws, ws.Server, ext, &t.settings)
	if t.queueMessages > 0 {
		s.marks = &marks{}
	}
	s.carrier.memory().allow(t.largest())
	s.loop.count.sockets[protocolIndex(x.Protocol)].Add(1)
	s.loop.count.openSockets.Add(1)
}

// String names the socket for the watchdog's report.
func (s *socket) String() string {
	info := s.loop.describe(s.conn)
	return "WebSocket from " + info.PeerString()
}

// opened tells the application.
func (s *socket) opened(r *app.Request) {
	s.loop.r.Lend(s.conn, &socketSubject)
	err := s.user.Opened(r)
	s.loop.r.Reclaim()
	s.blame(err)
}

// blame closes for a failure of the application.
func (s *socket) blame(err error) {
	if err == nil {
		return
	}
	s.loop.reportFor(s.conn, s, err)
	s.loop.tick()
	if s.machine.Close(ws.CloseInternalError, "") == nil {
		s.closing()
	}
}

// feed gives input to the machine until it needs more, the application holds it back or the turn's budget is
// spent. What is not used is to be presented again.
func (s *socket) feed(in []byte) (used int) {
	ev := s.loop.event3
	events := eventsPerUnit - 1 // the call itself costs as much
	for s.yielded = false; !s.held; {
		n, err := s.machine.Next(in[used:], ev)
		used += n
		if err != nil {
			if !s.ended {
				s.loop.refused(MalformedWebSocket, s.conn, err)
			}
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
		if s.loop.r.Spent() {
			s.yielded = true
			break
		}
	}
	return used
}

// eventsPerUnit is how many small messages are a unit of work: each takes a quarter of a microsecond.
const eventsPerUnit = 4

// charge counts work in the turn's budget, that of the machine included.
func (s *socket) charge(units int) { s.loop.r.Charge(units + s.loop.ws.TakeWork()) }

func (s *socket) receive(ev *ws.Event) {
	kind, data, first, final := websocket.Kind(ev.Op), ev.Data, ev.First, ev.Final
	s.loop.r.Lend(s.conn, &socketSubject)
	more, err := s.user.Receive(kind, data, first, final)
	s.loop.r.Reclaim()
	if !more && s.machine.Open() {
		s.held = true
		s.machine.Pause()
	}
	s.blame(err)
}

func (s *socket) ponged(ev *ws.Event) {
	data := ev.Data
	s.loop.r.Lend(s.conn, &socketSubject)
	err := s.user.Ponged(data)
	s.loop.r.Reclaim()
	s.blame(err)
}

// resume ends the holding back.
func (s *socket) resume() {
	if s.held && !s.ended {
		s.loop.tick()
		s.held = false
		s.machine.Resume()
		s.carrier.release()
	}
}

// fail ends the socket for what the peer did, or did not do. The machine has queued what is to be said.
func (s *socket) fail(err error) {
	c := websocket.Closed{Code: websocket.CloseAbnormal, Err: err}
	var e *ws.Error
	if errors.As(err, &e) {
		c.Code, c.Reason = int(e.Code), e.Reason
	}
	s.end(c)
}

// peerGone ends the socket because its transport has.
func (s *socket) peerGone(err error) {
	_ = s.machine.EOF() // it releases a message in progress
	s.end(websocket.Closed{Code: websocket.CloseAbnormal, Err: err})
}

// inputEnded: the peer sends nothing more.
func (s *socket) inputEnded() {
	if s.machine.EOF() != nil {
		// RFC 6455 section 7.1.5: without a Close frame the connection was lost.
		s.peerGone(app.ErrPeerGone)
	}
}

// end tells the application, once.
func (s *socket) end(c websocket.Closed) {
	if s.ended {
		return
	}
	s.ended, s.held, s.low = true, false, 0
	s.loop.count.openSockets.Add(-1)
	s.loop.r.Lend(s.conn, &socketSubject)
	err := s.user.Ended(c)
	s.loop.r.Reclaim()
	if err != nil {
		s.loop.reportFor(s.conn, s, err)
	}
}

// goAway closes because the server stops.
func (s *socket) goAway() {
	s.loop.tick()
	if s.machine.Close(ws.CloseGoingAway, "") == nil {
		s.closing()
	}
}

// closing follows a Close frame that was queued. Output before it may be stuck, so its time is seen to at once;
// and nothing is held back any more, so that the peer's Close frame is seen.
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

// drained goes through the inbox: it is reached while output is being pulled.
func (s *socket) drained() {
	if !s.ended {
		s.run(s.user.QueueDrained)
	}
}

// run brackets a callback of the application.
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

// expire does what is due.
func (s *socket) expire(now time.Time) {
	if !s.machine.Open() && s.loop.drainBy().passed(s.loop.instant()) {
		s.carrier.cut()
		return
	}
	if d := s.machine.Deadline(); d.IsZero() || now.Before(d) {
		return
	}
	closing := !s.machine.Open()
	err := s.machine.Expire(now)
	if err != nil {
		s.loop.refused(WebSocketTimeout, s.conn, err)
		s.fail(err)
	}
	if err != nil && closing {
		// RFC 6455 section 7.1.7: a peer that does not end its side is not waited for.
		s.carrier.cut()
		return
	}
	s.carrier.announce()
}

// queued counts a message that was just queued, and tells how many bytes wait.
func (s *socket) queued() int {
	n := s.machine.Queued()
	if m := s.marks; m != nil {
		sent := s.machine.Sent()
		m.add(sent, sent+uint64(n))
	}
	s.carrier.announce()
	return n
}

// messages is how many are in the queue; 0 where they are not counted.
func (s *socket) messages() int {
	m := s.marks
	if m == nil {
		return 0
	}
	m.forget(s.machine.Sent())
	return len(m.ends)
}

// isFull tells that the endpoint's limits allow no further message.
func (s *socket) isFull() bool {
	queued := s.machine.Queued()
	if queued == 0 {
		return false
	}
	t := termsOf(s.user.Endpoint())
	return queued >= t.queueBytes || s.marks != nil && s.messages() >= t.queueMessages
}
