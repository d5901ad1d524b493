package h2

import "github.com/gatewheel/gatewheel/internal/moment"

// Conn is one connection in the server role. Embed it by value; it must not be copied after Init.
type Conn struct {
	sh      *Shared
	err     *ConnError
	decoder *decoder
	block   *block // an incomplete header block; nil: none

	streams streamTable
	history history
	queue   *schedule  // streams with content to send; nil: none
	early   streamList // streams whose response is complete and whose request is not
	ends    streamList // streams without a window whose Source has resumed: it may have ended
	notices []notice   // events that Next returns before it reads input

	out     []byte // encoded frames; nil: none
	pulled  int    // bytes of out that Transmit has returned
	outAt   uint64 // bytes of output before out[0]
	answers int    // frames in out that answer the peer's

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
	unconsumed   int64
	unsent       int64 // bytes of Response.Bytes that are not encoded
	peerMaxFrame uint32

	aheadID StreamID // the idle stream of the last PRIORITY_UPDATE
	ahead   priority

	serial     uint64
	work       uint32 // completed responses and DATA frames
	lastWork   uint32 // work at the last refill
	lastSecond uint32 // Shared.second at the last refill
	spent      [budgets]uint16
	timers     [timers]instant
	lastInput  instant
	trickled   int32   // bytes sent since stalledAt in frames that a window kept small
	stalledAt  instant // since when the connection's window has blocked content; 0: it does not
}

// phase is what the next input is.
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
)

// Init makes c ready for the client's preface and queues the server's. jitter in [0, 1) is the
// connection's place within Config.MaxAgeJitter.
func (c *Conn) Init(sh *Shared, jitter float64) {
	*c = Conn{sh: sh, life: serving}
	sh.serial++
	sh.Stats.Connections++
	c.serial = sh.serial
	c.sendWindow = protocolWindow
	c.sendInitial = protocolWindow
	c.recvWindow = int32(sh.cfg.ConnectionWindow)
	c.recvInitial = int32(max(sh.cfg.InitialWindowSize, protocolWindow))
	c.peerMaxFrame = protocolFrameSize
	c.out = append(c.output(), sh.hello...)
	c.lastInput = sh.now
	c.lastSecond = sh.second
	c.setTimer(settingsTimer, sh.cfg.SettingsTimeout)
	if sh.cfg.MaxAge > 0 {
		c.setTimer(ageTimer, moment.After(sh.cfg.MaxAge, sh.jitter(jitter)))
	}
	if sh.cfg.KeepAlive > 0 {
		c.setTimer(keepAliveTimer, sh.cfg.KeepAlive)
	}
}

// AllowNoHost accepts requests whose :authority is empty, missing or a path, with an empty
// Head.Authority. It is for unix sockets, whose clients have no host to name. Call it after Init.
func (c *Conn) AllowNoHost() { c.flags |= noHost }

// Close returns the connection's storage to its Shared. No other method may be called afterwards
// except Streams, Next and Wanting, which find nothing.
func (c *Conn) Close() {
	for i, st := range c.streams.slots {
		if st != nil {
			c.sh.giveStream(st)
			c.streams.slots[i] = nil
		}
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
	sh := c.sh
	*c = Conn{sh: sh, life: failed, err: errClosed}
}

var errClosed = &ConnError{CodeNoError, "connection is closed"}

// Streams returns the number of open streams, including those whose response is being sent.
func (c *Conn) Streams() int { return c.streams.count }

// Each calls f for every open stream. f must not call c.
func (c *Conn) Each(f func(id StreamID, value any)) {
	for st := range c.streams.all {
		f(st.id, st.value)
	}
}

// SetValue stores v, which events of stream id will carry. It does nothing if the stream is gone.
func (c *Conn) SetValue(id StreamID, v any) {
	if st := c.streams.find(id); st != nil {
		st.value = v
	}
}

// fail ends the connection with a GOAWAY (RFC 9113 section 5.4.1). It returns the first error.
func (c *Conn) fail(code ErrCode, reason string) *ConnError {
	if c.advance(failure) {
		c.err = &ConnError{code, reason}
		c.out = appendGoaway(c.output(), c.history.last, code, reason)
		c.sh.Stats.ConnErrors++
		c.timers = [timers]instant{}
	}
	return c.err
}

// notice is an event that Next returns without input.
type notice struct {
	kind      Kind
	code      ErrCode
	stream    StreamID
	status    int
	withdrawn int
	reason    string
	value     any
}

func (c *Conn) notice(n notice) {
	if c.notices == nil {
		c.notices = c.sh.takeNotices()
	}
	c.notices = append(c.notices, n)
}

// Noticed reports whether Next has an event that needs no input.
func (c *Conn) Noticed() bool { return len(c.notices) > 0 }

// takeNotice moves the oldest notice into ev.
func (c *Conn) takeNotice(ev *Event) {
	n := c.notices[0]
	// A Data notice is the end of a tunnel.
	ev.Kind, ev.Code, ev.Stream, ev.Value, ev.Data, ev.End = n.kind, n.code, n.stream, n.value, nil, n.kind == Data
	ev.Status, ev.Withdrawn, ev.Reason = n.status, n.withdrawn, n.reason
	if copy(c.notices, c.notices[1:]); len(c.notices) == 1 {
		c.sh.giveNotices(c.notices)
		c.notices = nil
		return
	}
	c.notices = c.notices[:len(c.notices)-1]
}
