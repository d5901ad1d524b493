package h2

// machine is what both roles of a connection share. Conn and Client embed it.
type machine struct {
	sh      *Shared
	role    role // the Conn or the Client
	err     *ConnError
	decoder *decoder
	block   *block // an incomplete header block; nil: none

	streams streamTable
	history history
	growth  *growth    // nil: no long content has come
	queue   *schedule  // streams with content to send; nil: none
	ends    streamList // streams without a window whose Source has resumed: it may have ended
	notices *notices   // events that Next returns before it reads input; nil: none

	out      []byte // encoded frames; nil: none
	pulled   int    // bytes of out that Transmit has returned
	outAt    uint64 // bytes of output before out[0]
	answers  int32  // frames in out that answer the peer's
	trickled int32  // bytes sent since stalledAt in frames that a window kept small

	life   life
	input  phase
	flags  connFlags
	padded uint8    // bytes of padding behind the rest bytes of a DATA frame
	rest   uint32   // bytes of the current frame still to be delivered or skipped
	data   StreamID // the stream of the current DATA frame

	sendWindow   int32 // of the connection, as recvWindow
	recvWindow   int32
	sendInitial  int32 // of a new stream, by the peer's SETTINGS
	recvInitial  int32 // of a new stream, by our SETTINGS
	peerMaxFrame uint32
	unconsumed   int64
	unsent       int64 // bytes of content in memory that are not encoded

	serial     uint64
	work       uint32 // completed messages and DATA frames that were sent
	lastWork   uint32 // work at the last refill
	lastSecond uint32 // Shared.second at the last refill
	spent      [budgets]uint16
	timers     [timers]instant
	lastInput  instant
	stalledAt  instant // since when the connection's window has blocked content; 0: it does not
}

// role is the part of a connection that differs between server and client. Methods that return a
// *ConnError have ended the connection then.
type role interface {
	// purpose returns the use of the field section that begins with a HEADERS frame.
	purpose(h frameHeader) (purpose, *ConnError)
	// section acts on a complete header block.
	section(id StreamID, end bool, p purpose, fragments []byte, ev *Event) *ConnError
	// frame handles GOAWAY, PUSH_PROMISE and PRIORITY_UPDATE.
	frame(h frameHeader, payload []byte, ev *Event) *ConnError
	// reset completes the event of a stream that the peer has reset.
	reset(st *stream, ev *Event) *ConnError
	// malformed refuses a header section. head: the request's method is HEAD.
	malformed(id StreamID, reason string, head bool) *ConnError
	// malformedContent refuses a message for its content or trailers.
	malformedContent(st *stream, status int, reason string, code ErrCode) *ConnError
	// setting applies a setting that only one role has. first: it is in the first SETTINGS frame.
	setting(s setting, first bool) *ConnError
	// settingsApplied follows the last setting of a frame.
	settingsApplied()
	// pong handles the acknowledgement of a PING. known: one of ours had that opaque data.
	pong(opaque uint64) (known bool)
	// outputEnded follows our END_STREAM on a stream whose input has not ended.
	outputEnded(st *stream)
	// resetQueued follows each RST_STREAM of ours.
	resetQueued()
	// failing precedes the GOAWAY of a connection error.
	failing()
	// maxHead returns the limit of a field section in bytes.
	maxHead() uint32
	// expire acts on a timer that only one role has.
	expire(timer int, at instant) *ConnError
}

// phase is the kind of the next input.
type phase uint8

const (
	awaitPreface  phase = iota
	awaitSettings       // the SETTINGS frame that ends the preface
	awaitFrame
	inData     // rest bytes of content for stream data, then padding
	inLastData // the same, in a frame with END_STREAM
	inSkip     // rest bytes to discard
)

type connFlags uint8

const (
	ackedSettings    connFlags = 1 << iota // the peer has acknowledged our SETTINGS
	peerNoPriorities                       // the peer's SETTINGS_NO_RFC7540_PRIORITIES
	tableSizeSent                          // a header block of ours has set the dynamic table's size to 0
	aged                                   // the connection has reached MaxAge
	pinged                                 // a keep-alive PING waits for its acknowledgement
	noHost                                 // requests need not name a host
	asClient                               // the role is that of the client
)

// begin sets the state before the first byte in either direction.
func (c *machine) begin(sh *Shared, r role) {
	sh.serial++
	c.sh, c.role, c.life, c.serial = sh, r, serving, sh.serial
	c.sendWindow, c.sendInitial = protocolWindow, protocolWindow
	c.recvWindow = int32(sh.cfg.ConnectionWindow)
	c.recvInitial = int32(max(c.initialWindow(), protocolWindow))
	c.peerMaxFrame = protocolFrameSize
	c.lastInput, c.lastSecond = sh.now, sh.second
}

// stats returns the counters of the role.
func (c *machine) stats() *Stats {
	if c.flags&asClient != 0 {
		return &c.sh.ClientStats
	}
	return &c.sh.Stats
}

// Close returns the connection's storage to its Shared. No other method may be called afterwards
// except Streams, Next and Wanting, which find nothing.
func (c *machine) Close() {
	for i, st := range c.streams.slots {
		if st != nil {
			c.sh.giveStream(st)
			c.streams.slots[i] = nil
		}
	}
	if c.growth != nil {
		c.sh.grown -= c.growth.reserved
	}
	if len(c.streams.slots) > len(c.streams.first) {
		c.sh.giveSlots(c.streams.slots)
	}
	if c.queue != nil {
		*c.queue = schedule{}
		c.sh.giveSchedule(c.queue)
	}
	if c.block != nil {
		c.sh.giveBlock(c.block)
	}
	c.releaseOutput()
	c.forget()
	c.notices = nil
	*c = machine{sh: c.sh, role: c.role, flags: c.flags & asClient, life: failed, err: errClosed}
}

var errClosed = &ConnError{CodeNoError, "connection is closed"}

// Streams returns the number of open streams, including those whose response is being sent.
func (c *machine) Streams() int { return c.streams.count }

// Each calls f for every open stream, in no order. f must not call c.
func (c *machine) Each(f func(id StreamID, value any)) {
	for st := range c.streams.all {
		f(st.id, st.value)
	}
}

// SetValue stores v, which events of stream id will carry. It does nothing if the stream is gone.
func (c *machine) SetValue(id StreamID, v any) {
	if st := c.streams.find(id); st != nil {
		st.value = v
	}
}

// fail ends the connection with a GOAWAY (RFC 9113 section 5.4.1). It returns the first error.
func (c *machine) fail(code ErrCode, reason string) *ConnError {
	if c.advance(failure) {
		c.err = &ConnError{code, reason}
		c.role.failing()
		c.out = appendGoaway(c.output(), c.lastPeerStream(), code, reason)
		c.stats().ConnErrors++
		c.timers = [timers]instant{}
	}
	return c.err
}

// lastPeerStream returns the last stream that the peer has opened, for GOAWAY. A server opens none, since
// there is no push.
func (c *machine) lastPeerStream() StreamID {
	if c.flags&asClient != 0 {
		return 0
	}
	return c.history.last
}

// notice is an event that Next returns without input.
type notice struct {
	kind        Kind
	end         bool
	unprocessed bool
	code        ErrCode
	stream      StreamID
	status      int
	withdrawn   int
	reason      string
	value       any
}

// notices are the events of a connection that wait for Next, oldest first; at least one.
type notices struct{ list []notice }

func (c *machine) notice(n notice) {
	if c.notices == nil {
		c.notices = c.sh.takeNotices()
	}
	c.notices.list = append(c.notices.list, n)
}

// resetNotice returns the event of a stream that is reset. Clients learn whether the response was complete.
func (c *machine) resetNotice(st *stream, code ErrCode, reason string) notice {
	return notice{kind: Reset, code: code, stream: st.id, value: st.value, reason: reason,
		end: c.flags&asClient != 0 && st.inputEnded()}
}

// Noticed reports whether Next has an event that needs no input.
func (c *machine) Noticed() bool { return c.notices != nil }

// takeNotice moves the oldest notice into ev.
func (c *machine) takeNotice(ev *Event) {
	list := c.notices.list
	n := list[0]
	ev.Kind, ev.Code, ev.Stream, ev.Value, ev.Data, ev.End = n.kind, n.code, n.stream, n.value, nil, n.end
	ev.Status, ev.Withdrawn, ev.Reason, ev.Unprocessed, ev.ByPeer = n.status, n.withdrawn, n.reason, n.unprocessed, false
	if c.notices.list = append(list[:0], list[1:]...); len(list) == 1 {
		c.sh.giveNotices(c.notices)
		c.notices = nil
	}
}
