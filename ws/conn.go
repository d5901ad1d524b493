package ws

import "time"

// Kind is the kind of an Event.
type Kind uint8

const (
	// NeedMore: there is no event. Call Next again when there is more input behind
	// what was not consumed.
	NeedMore Kind = iota
	// Data: a piece of a message; the whole of it if First and Final are set.
	Data
	// Ping: its pong is queued, unless a Close frame is.
	Ping
	// Pong: an answer to Conn.Ping, or unsolicited.
	Pong
	// Close: the peer's Close frame. Ours is queued, or was sent before.
	Close
	// Closed: the connection is over and input is ignored.
	Closed
	// Busy: there is no event yet. Call Next again, without waiting for input: one
	// call does a bounded amount of work.
	Busy
)

// Event is filled by Conn.Next. One Event may serve all connections of a loop.
type Event struct {
	Kind  Kind
	Op    Opcode // of Data: Text or Binary
	First bool   // of Data: the first piece of the message
	Final bool   // of Data: the last piece of the message

	// Data is the payload of Data, Ping or Pong. It is borrowed until the next
	// call on any connection of the same Shared, and may lie within the input. It
	// may be empty if Final is set. The pieces of a text are valid UTF-8 together;
	// one may end within a character.
	Data []byte

	Code   CloseCode // of Close; CloseNoStatus if the frame was empty
	Reason string    // of Close
}

// Conn is one end of a WebSocket connection after its opening handshake. It may be
// embedded by value; Init makes it ready. It must not be copied after Init, and all
// methods belong on the goroutine of its Shared.
type Conn struct {
	lending
	sh      *Shared
	set     *Settings
	err     *Error // why the connection failed
	out     output
	inf     *inflation // of the compressed message being received
	context *context   // windows; nil without context takeover

	left  int64 // payload bytes to come of the frame being read
	total int64 // payload bytes that the frames of the message announced

	// Fields of less than eight bytes stand together to save padding.

	key     uint32 // masking key for the next payload byte
	reading reading
	op      Opcode // of the message being received
	fresh   bool   // no piece of it was handed out yet
	packed  bool   // it is compressed
	text    utf8Check

	ext        Deflate
	state      state
	role       Role
	liveness   liveness
	ended      bool // EOF was called
	sending    sending
	sendOp     Opcode
	sendPacked bool // the message that is sent in parts is compressed
	sendText   utf8Check

	pongs    int32         // bytes of pongs queued since the queue last held none
	pong     []byte        // one unused byte, then the payload of the latest ping whose pong waits for room
	pongEnd  uint64        // end of the last queued pong, on the scale of output.sent
	begun    time.Duration // start of the message being received; while unread, less the time of Pause
	heard    time.Duration // time of the last byte received
	used     time.Duration // time of the last message in either direction
	pingedAt time.Duration
	closeBy  time.Duration // end of the closing handshake's time
}

var defaults Settings

// Init makes the connection ready, in the state after an opening handshake that
// negotiated ext. set is not copied; nil stands for the defaults.
func (c *Conn) Init(sh *Shared, role Role, ext Deflate, set *Settings) {
	if set == nil {
		set = &defaults
	}
	if ext.On {
		ext.ServerWindowBits = orLargest(ext.ServerWindowBits)
		ext.ClientWindowBits = orLargest(ext.ClientWindowBits)
	}
	*c = Conn{sh: sh, role: role, ext: ext, set: set, state: open, heard: sh.now, used: sh.now}
	c.context = newContext(role, ext)
}

// Role returns the role of Init.
func (c *Conn) Role() Role { return c.role }

// Open reports whether messages can be sent: no Close frame was sent, and the
// connection is not over.
func (c *Conn) Open() bool { return c.state.mayClose() }

// Next consumes n bytes of in and fills ev with the next event. in starts with the
// first byte that was not consumed yet. Payloads are unmasked in place; bytes that
// are not consumed stay as they are. A message comes as one Data event if it is
// complete in the input and, where it is compressed, has at most 32 KiB of text;
// otherwise in pieces, as its bytes arrive.
//
// An error is an *Error. Its Close frame is queued, and every later call returns
// the error again.
func (c *Conn) Next(in []byte, ev *Event) (n int, err error) {
	c.reclaim()
	ev.Kind, ev.Data = NeedMore, nil
	if c.state.over() {
		// RFC 6455 section 1.4: input after a Close frame is discarded.
		if c.state == failed {
			return len(in), c.err
		}
		ev.Kind = Closed
		return len(in), nil
	}
	if len(in) > 0 {
		c.heard = c.sh.now
		if c.liveness == pinged {
			c.liveness = alive
		}
	}
	for {
		var m int
		var more bool // the rest of in may have an event
		switch {
		case c.reading != atHeader:
			m, err = c.payload(in[n:], ev)
			more = c.reading == atHeader
		default:
			m, err = c.header(in[n:], ev)
			more = m > 0
		}
		n += m
		if err != nil {
			return len(in), err
		}
		if ev.Kind != NeedMore {
			c.lend(ev)
			return n, nil
		}
		if !more {
			return n, nil
		}
	}
}

// header reads a frame's header, or a control frame as a whole.
func (c *Conn) header(in []byte, ev *Event) (n int, err error) {
	if len(in) < 2 {
		return 0, nil
	}
	var h header
	if fault := h.begin(in[0], in[1], c.role, c.ext.On); fault != "" {
		return 0, c.fail(CloseProtocolError, fault)
	}
	what := h.input()
	next := transitions[c.state][what]
	if next == illegal {
		// RFC 6455 section 5.4: fragments of messages are not interleaved.
		if h.op == Continuation {
			return 0, c.fail(CloseProtocolError, "continuation of no message")
		}
		return 0, c.fail(CloseProtocolError, "message within a message")
	}
	ok, fault := h.complete(in)
	if fault != "" {
		return 0, c.fail(CloseProtocolError, fault)
	}
	if !ok {
		return 0, nil
	}
	if h.op.control() {
		size := h.size + int(h.length)
		if len(in) < size {
			return 0, nil
		}
		payload := in[h.size:size]
		mask(payload, h.key)
		return size, c.control(what, payload, ev)
	}
	c.state = next
	if h.op != Continuation {
		c.op, c.packed = h.op, h.rsv1
		c.fresh, c.total, c.text = true, 0, utf8Check{}
		c.begun = c.sh.now
	}
	c.reading, c.left, c.key = inFragment, h.length, h.key
	if h.fin {
		c.reading = inFinalFrame
	}
	if !c.state.mayClose() {
		return h.size, nil
	}
	return h.size, c.admit(h.length)
}

// admit checks the announced length of a data frame against the limits.
// RFC 6455 section 10.4.
func (c *Conn) admit(length int64) error {
	limit := c.set.message()
	if c.packed {
		limit = c.set.packed()
	}
	switch {
	case length > c.set.frame():
		return c.fail(CloseTooBig, "frame over the limit")
	case length > limit-c.total:
		return c.fail(CloseTooBig, "message over the limit")
	}
	c.total += length
	return nil
}

// control handles a control frame.
func (c *Conn) control(what input, payload []byte, ev *Event) error {
	switch what {
	case gotClose:
		return c.gotClose(payload, ev)
	case gotPing:
		// RFC 6455 section 5.5.2 wants a pong until a Close was received. After our
		// own Close the peer would discard it.
		if c.state.mayClose() {
			c.queuePong(payload)
		}
		ev.Kind = Ping
	default:
		ev.Kind = Pong
	}
	ev.Data = payload
	return nil
}

// payload reads the part of a data frame's payload that has arrived.
func (c *Conn) payload(in []byte, ev *Event) (n int, err error) {
	if int64(len(in)) > c.left {
		in = in[:c.left]
	}
	if c.packed && c.state.mayClose() {
		return c.inflate(in, ev)
	}
	n = len(in)
	c.left -= int64(n)
	last := c.left == 0 && c.reading == inFinalFrame
	if c.left == 0 {
		c.reading = atHeader
	}
	if !c.state.mayClose() {
		return n, nil
	}
	if c.role == Server {
		c.key = mask(in, c.key)
	}
	if n == 0 && !last {
		return 0, nil
	}
	return n, c.deliver(in, last, ev)
}

// deliver hands out a piece of a message.
func (c *Conn) deliver(p []byte, last bool, ev *Event) error {
	if c.op == Text && !c.validText(p, last) {
		// RFC 6455 section 8.1.
		return c.fail(CloseInvalidPayload, "text is not valid UTF-8")
	}
	ev.Kind, ev.Op, ev.Data = Data, c.op, p
	ev.First, ev.Final = c.fresh, last
	c.fresh = false
	c.used = c.sh.now
	return nil
}

// validText reports whether a piece continues a valid text, and ends it if last.
func (c *Conn) validText(p []byte, last bool) bool {
	if c.fresh && last {
		return validUTF8(p)
	}
	return c.text.add(p) && (!last || c.text.complete())
}

// queuePong queues the answer to a ping.
func (c *Conn) queuePong(payload []byte) {
	if c.out.sent >= c.pongEnd {
		c.pongs = 0
	}
	if c.pongs > maxQueuedPongs {
		// RFC 6455 section 5.5.3: of several unanswered pings only the most recent
		// needs a pong.
		c.pong = append(c.sh.grow(c.pong[:0], 1+maxControl), 0)
		c.pong = append(c.pong, payload...)
		return
	}
	before := c.out.end()
	c.frame(bitFin|byte(opPong), payload)
	c.pongEnd = c.out.end()
	c.pongs += int32(c.pongEnd - before)
}

// Transmit appends at most room bytes of output to dst. They may end within a
// frame. One call compresses at most 64 KiB of text; so there may be fewer than room
// bytes although more are queued (see Compresses).
func (c *Conn) Transmit(dst []byte, room int) []byte {
	if c.out.size == 0 {
		return dst
	}
	start := len(dst)
	dst = c.out.pull(c.sh, dst, room)
	if p := c.out.unmade(); p != nil && len(dst)-start < room {
		c.makePart(p)
		dst = c.out.pull(c.sh, dst, room-(len(dst)-start))
	}
	if len(c.pong) > 0 && c.out.sent >= c.pongEnd {
		c.queuePong(c.pong[1:])
		c.pong = c.sh.give(c.pong)
	}
	return dst
}

// Compresses reports whether the next Transmit compresses a part of a message.
func (c *Conn) Compresses() bool { return c.out.unmade() != nil }

// Sent returns the position of Transmit on the scale of Queued: what is queued now
// has been transmitted once Sent has grown by Queued.
func (c *Conn) Sent() uint64 { return c.out.sent }

// Queued returns the number of bytes that wait for Transmit. Text that is still to
// be compressed counts with its own size.
func (c *Conn) Queued() int { return c.out.size }
