package h2

import "github.com/gatewheel/gatewheel/internal/moment"

// Conn is one connection in the server role. It is meant to be embedded by value in a session
// and must not be copied after Init.
type Conn struct {
	sh      *Shared
	err     *ConnError
	decoder *decoder
	block   *block // while CONTINUATION is awaited

	streams streamTable
	history history
	queue   *schedule  // streams with content to send; nil: none
	early   streamList // streams answered whole whose requests have not ended
	ends    streamList // streams without a window whose content may have ended since
	notices []notice   // events for Next that need no input

	out     []byte // encoded and not yet pulled; nil: nothing
	pulled  int    // bytes of out that were
	outAt   uint64 // where in all of the connection's output out starts
	answers int    // frames in out that the peer provoked

	life   life
	input  phase
	flags  connFlags
	padded uint8    // padding behind the DATA of which rest bytes are awaited
	rest   uint32   // payload bytes of the current frame that are handed on or skipped as they come
	data   StreamID // the stream of that frame

	sendWindow   int32 // the connection's, as all of these
	recvWindow   int32
	sendInitial  int32 // a new stream's, by the peer's SETTINGS
	recvInitial  int32 // a new stream's, by ours
	unconsumed   int64
	unsent       int64 // bytes of responses given whole, as far as they are not encoded
	peerMaxFrame uint32

	aheadID StreamID // the idle stream that PRIORITY_UPDATE spoke of last
	ahead   priority

	serial     uint64
	work       uint32 // exchanges and frames of content done
	lastWork   uint32 // work when spent was last reduced
	lastSecond uint32 // likewise
	spent      [budgets]uint16
	timers     [timers]instant
	lastInput  instant
	trickled   int32   // bytes that went since stalledAt in frames kept small by a window
	stalledAt  instant // since when the peer's connection window holds content up, 0: it does not
}

// phase is where in the input a connection is.
type phase uint8

const (
	awaitPreface  phase = iota
	awaitSettings       // the SETTINGS frame that ends the preface
	awaitFrame
	inData     // rest bytes of content for stream data, then padded ones of padding
	inLastData // likewise, in a frame with END_STREAM
	inSkip     // rest bytes that mean nothing
)

type connFlags uint8

const (
	ackedSettings    connFlags = 1 << iota // the peer acknowledged our SETTINGS
	peerNoPriorities                       // the peer's SETTINGS_NO_RFC7540_PRIORITIES
	tableSizeSent                          // our first header block has told that it uses no dynamic table
	aged                                   // the connection has reached its age: grace follows
	pinged                                 // a keep-alive PING is out
	noHost                                 // requests need not name a host
)

// Init makes c ready for the client's preface and queues ours. jitter in [0, 1) is this
// connection's place within the span Config.MaxAgeJitter.
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

// AllowNoHost accepts requests whose authority is empty, missing or a path: Head.Authority is empty
// then. It is for unix sockets, whose clients have no host to name. Call it after Init.
func (c *Conn) AllowNoHost() { c.flags |= noHost }

// Close gives the connection's storage back to its Shared. Call it once, when the connection is
// gone, and nothing else afterwards.
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

// Streams is the number of open streams, those with a response to be pulled included.
func (c *Conn) Streams() int { return c.streams.count }

// Each calls f for every open stream. f must not call c.
func (c *Conn) Each(f func(id StreamID, value any)) {
	for st := range c.streams.all {
		f(st.id, st.value)
	}
}

// SetValue stores v for the events of stream id. It does nothing for a stream that is gone.
func (c *Conn) SetValue(id StreamID, v any) {
	if st := c.streams.find(id); st != nil {
		st.value = v
	}
}

// fail ends the connection: GOAWAY is queued (RFC 9113 section 5.4.1) and the error is kept.
func (c *Conn) fail(code ErrCode, reason string) *ConnError {
	if c.advance(failure) {
		c.err = &ConnError{code, reason}
		c.out = appendGoaway(c.output(), c.history.last, code, reason)
		c.sh.Stats.ConnErrors++
		c.timers = [timers]instant{}
	}
	return c.err
}

// notice is an event that Next gives without input.
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

// noticed moves the oldest notice into ev.
func (c *Conn) noticed(ev *Event) {
	n := c.notices[0]
	// Data comes without input only as the end of a tunnel.
	ev.Kind, ev.Code, ev.Stream, ev.Value, ev.Data, ev.End = n.kind, n.code, n.stream, n.value, nil, n.kind == Data
	ev.Status, ev.Withdrawn, ev.Reason = n.status, n.withdrawn, n.reason
	if copy(c.notices, c.notices[1:]); len(c.notices) == 1 {
		c.sh.giveNotices(c.notices)
		c.notices = nil
		return
	}
	c.notices = c.notices[:len(c.notices)-1]
}
