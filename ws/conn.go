package ws

import "time"

// Kind says what an Event tells.
type Kind uint8

const (
	// NeedMore: what was consumed told nothing; the rest is to be presented
	// again with more behind it.
	NeedMore Kind = iota
	// Data: a piece of a message; the whole of it if First and Final are set.
	Data
	// Ping: its pong is queued, unless a Close is.
	Ping
	// Pong: to a ping of ours, or unsolicited.
	Pong
	// Close: the peer's Close frame; ours is queued or went out before.
	Close
	// Closed: the connection is over and input is ignored.
	Closed
	// Busy: the call has done as much work as one call does, and has nothing to
	// hand out; call again, without waiting for input.
	Busy
)

// Event is filled by Conn.Next. It is the caller's scratch: one serves a loop.
type Event struct {
	Kind  Kind
	Op    Opcode // of Data: Text or Binary
	First bool   // of Data: the message begins with it
	Final bool   // of Data: the message ends with it

	// Data is the payload of Data, Ping or Pong. It is borrowed until the next
	// call of any connection of the loop, and may lie inside the input. It may
	// be empty if Final is set. A text may be cut within a character.
	Data []byte

	Code   CloseCode // of Close; CloseNoStatus if the frame was empty
	Reason string    // of Close
}

// sending is the state of a message that is sent in a stream.
type sending uint8

const (
	nothing sending = iota
	begun           // its first frame is still to come
	midway          // more frames may follow
)

// Conn is one end of a WebSocket connection after its opening handshake. It is
// made to be embedded by value; Init makes it ready. All methods belong on the
// loop of its Shared.
type Conn struct {
	lending
	sh  *Shared
	set *Settings
	err *Error // why the connection failed
	out output

	inf     *inflation // of the compressed message being received
	context *context   // windows; nil without context takeover

	left  int64 // payload bytes to come of the frame being read
	total int64 // bytes of the message being read: handed out, or announced by frame headers

	// What is small stands together, lest space is lost in between.

	// The frame whose payload is being read.
	key     uint32
	inFrame bool
	fin     bool

	// The message being read.
	op    Opcode
	fresh bool // none of it was handed out yet
	tight bool // compressed
	text  utf8Check

	ext   Deflate
	state state
	role  Role

	// Sending.
	sending     sending
	sendOp      Opcode
	sendTight   bool
	sendText    utf8Check
	ended       bool          // EOF was called
	pinged      bool          // a keep-alive ping awaits a sign of life
	paused      bool          // the caller does not read
	pongs       int32         // bytes of pongs queued since the last time none was
	pong        []byte        // payload of the latest ping that waits for room, preceded by one byte
	pongEnd     uint64        // position in the output behind the last of them
	begun       time.Duration // when the message being received began; within a Pause, less its begin
	heard, used time.Duration
	pingedAt    time.Duration
	closeBy     time.Duration
}

var defaults Settings

// Init makes the connection ready, in the state right after a successful opening
// handshake that negotiated ext. set is not copied; nil: the defaults.
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

// Open tells that messages can be sent: no Close frame was, and the connection
// has not ended.
func (c *Conn) Open() bool { return c.state.mayClose() }

// Next consumes n bytes of in and fills ev with the next event. in starts with
// the first byte that was not consumed yet; payloads are unmasked in place, and
// only consumed bytes are touched. Messages are handed out as they arrive: one
// that lies in the input whole comes as one event, any other in pieces. So does
// a compressed one, if it has at most 32 KiB of text.
//
// An error is an *Error. Its Close frame is queued, and Next returns it again
// from then on.
func (c *Conn) Next(in []byte, ev *Event) (n int, err error) {
	c.reclaim()
	ev.Kind, ev.Data = NeedMore, nil
	if c.state.over() {
		// RFC 6455 section 1.4: what follows a Close frame is discarded.
		if c.state == failed {
			return len(in), c.err
		}
		ev.Kind = Closed
		return len(in), nil
	}
	if len(in) > 0 {
		c.heard = c.sh.now
		c.pinged = false
	}
	for {
		var m int
		var more bool // whether the loop can go on without another byte
		switch {
		case c.inFrame:
			m, err = c.payload(in[n:], ev)
			more = !c.inFrame
		default:
			m, err = c.frameBegin(in[n:], ev)
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

// frameBegin takes a frame's header, and a control frame whole.
func (c *Conn) frameBegin(in []byte, ev *Event) (n int, err error) {
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
		c.op, c.tight = h.op, h.rsv1
		c.fresh, c.total, c.text = true, 0, utf8Check{}
		c.begun = c.sh.now
	}
	c.inFrame, c.fin, c.left, c.key = true, h.fin, h.length, h.key
	if !c.state.mayClose() {
		return h.size, nil
	}
	return h.size, c.admit(h.length)
}

// admit checks a data frame's length against the limits before any of its
// payload is taken. RFC 6455 section 10.4.
func (c *Conn) admit(length int64) error {
	limit := c.set.message()
	if c.tight {
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

// control takes a control frame.
func (c *Conn) control(what input, payload []byte, ev *Event) error {
	switch what {
	case gotClose:
		return c.gotClose(payload, ev)
	case gotPing:
		// RFC 6455 section 5.5.2 asks for a pong until a Close was received;
		// behind our own Close, though, the peer would discard it.
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

// payload takes what is there of a data frame's payload.
func (c *Conn) payload(in []byte, ev *Event) (n int, err error) {
	if int64(len(in)) > c.left {
		in = in[:c.left]
	}
	if c.tight && c.state.mayClose() {
		return c.inflate(in, ev)
	}
	n = len(in)
	c.left -= int64(n)
	c.inFrame = c.left > 0
	if !c.state.mayClose() {
		return n, nil
	}
	if c.role == Server {
		c.key = mask(in, c.key)
	}
	last := c.fin && !c.inFrame
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

func (c *Conn) validText(p []byte, last bool) bool {
	if c.fresh && last {
		return validUTF8(p)
	}
	return c.text.add(p) && (!last || c.text.complete())
}

// queuePong answers a ping.
func (c *Conn) queuePong(payload []byte) {
	if c.out.sent >= c.pongEnd {
		c.pongs = 0
	}
	if c.pongs > maxQueuedPongs {
		// RFC 6455 section 5.5.3: of several pings that wait for their pong only
		// the most recent needs one.
		c.pong = append(c.sh.grow(c.pong[:0], 1+maxControl), 0)
		c.pong = append(c.pong, payload...)
		return
	}
	before := c.out.end()
	c.frame(bitFin|byte(opPong), payload)
	c.pongEnd = c.out.end()
	c.pongs += int32(c.pongEnd - before)
}

// Transmit appends up to room bytes of output to dst, never more. The caller may
// cut anywhere. One call compresses at most 64 KiB, so that there may be less
// than room although more is Queued.
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

// Sent returns the bytes that were pulled since the connection began, on the
// scale of Queued: bytes that are queued now will have been sent when Sent has
// grown by so much.
func (c *Conn) Sent() uint64 { return c.out.sent }

// Queued returns the bytes of output that wait to be pulled. Text that is still
// to be compressed counts with its own size.
func (c *Conn) Queued() int { return c.out.size }
