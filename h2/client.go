package h2

import "math"

// Client is one connection in the client role. Embed it by value; it must not be copied after Init. Its
// methods belong to the loop of its Shared.
type Client struct {
	machine
	encoder     *encoder // nil until the first request
	headLimit   uint32   // bytes of a response's fields, announced to the server
	next        StreamID // of the next request
	limit       uint32   // of open requests
	peerHead    uint32   // the server's SETTINGS_MAX_HEADER_LIST_SIZE
	tableSize   uint32   // the server's SETTINGS_HEADER_TABLE_SIZE
	goawayAt    StreamID // the last stream of the server's GOAWAY
	resets      uint32   // streams reset since the last PING for resets
	unconfirmed uint32   // streams reset before that PING, which is not acknowledged
	known       clientFlags
}

// clientFlags are facts about a client's connection.
type clientFlags uint8

const (
	started         clientFlags = 1 << iota // the preface was queued
	settingsKnown                           // the server's SETTINGS have come
	limitStated                             // they had SETTINGS_MAX_CONCURRENT_STREAMS
	connectAccepted                         // they had SETTINGS_ENABLE_CONNECT_PROTOCOL
	goawayReceived
	pinging      // a PING of Ping is not acknowledged
	resetsPinged // no response since the last PING for resets was acknowledged
	idsConsumed  // the last stream identifier was used
)

// Init makes c ready. The client's preface and SETTINGS leave with the first request or PING. maxHead limits
// the bytes of a response's fields, as RFC 9113 section 6.5.2 counts them; 0 means Config.MaxHeaderListSize.
func (c *Client) Init(sh *Shared, maxHead uint32) {
	*c = Client{headLimit: maxHead, next: 1, limit: firstStreams, peerHead: math.MaxUint32, tableSize: tableSize}
	if maxHead == 0 {
		c.headLimit = sh.cfg.MaxHeaderListSize
	}
	c.flags = asClient
	c.begin(sh, c)
	c.input = awaitSettings
	sh.ClientStats.Connections++
}

// QueuePreface queues the preface and SETTINGS, which otherwise leave with the first request. The server answers
// them with its SETTINGS, which extended CONNECT has to wait for.
func (c *Client) QueuePreface() {
	if c.err == nil && c.life != ended {
		c.start()
	}
}

// start queues the preface before the first output.
func (c *Client) start() {
	if c.known&started != 0 {
		return
	}
	c.known |= started
	answers := c.out // the server may have sent first
	out := append(c.sh.takeBuffer(), c.sh.clientHello(c.headLimit)...)
	if answers != nil {
		out = append(out, answers...)
		c.sh.giveBuffer(answers)
	}
	c.out = out
	c.setTimer(settingsTimer, c.sh.cfg.SettingsTimeout)
}

// Close returns the connection's storage to its Shared. No other method may be called afterwards except
// Streams, Next and Wanting, which find nothing.
func (c *Client) Close() {
	c.machine.Close()
	c.encoder = nil
}

// Capacity returns how many requests may be sent now: 100 until the server's SETTINGS have come, then what
// they allow, less the open streams and those reset streams that the server may still work on. It is 0 once
// Draining reports true.
func (c *Client) Capacity() int {
	if c.Draining() {
		return 0
	}
	return max(0, int(c.limit)-c.streams.count-int(c.resets)-int(c.unconfirmed))
}

// Draining reports whether no further request is possible: Drain was called, the server has sent GOAWAY or its
// last byte, there was an error, or the stream identifiers are used up.
func (c *Client) Draining() bool { return c.life != serving || c.known&idsConsumed != 0 }

// ConnectProtocol reports whether the server accepts extended CONNECT (RFC 8441). known is false before
// its SETTINGS have come.
func (c *Client) ConnectProtocol() (accepts, known bool) {
	return c.known&connectAccepted != 0, c.known&settingsKnown != 0
}

// Unprocessed reports whether none of the request of an open stream was pulled by Transmit, so that the
// server cannot have processed it. It is for the time after a *ConnError; else Reset events have Unprocessed.
func (c *Client) Unprocessed(id StreamID) bool {
	st := c.streams.find(id)
	return st != nil && c.unpulled(st)
}

func (c *Client) unpulled(st *stream) bool {
	return st.flags&neverSent != 0 || c.life != failed && st.headAt >= c.outAt+uint64(c.pulled)
}

// failing withdraws the requests of which nothing was pulled: they may be sent again elsewhere, so the server must
// not get them in front of GOAWAY.
func (c *Client) failing() {
	end := uint64(len(c.out))
	for st := range c.streams.all {
		if st.headAt >= c.outAt+uint64(c.pulled) {
			st.flags |= neverSent
			end = min(end, st.headAt-c.outAt)
		}
	}
	if c.out != nil {
		c.out = c.out[:end]
	}
}

func (c *Client) maxHead() uint32 { return c.headLimit }

// Ping sends a PING. A Pong event follows its acknowledgement. It does nothing while an
// earlier PING is on its way.
func (c *Client) Ping() {
	if c.err != nil || c.life == ended || c.known&pinging != 0 {
		return
	}
	c.start()
	c.known |= pinging
	c.out = appendPing(c.output(), 0, pingCaller)
}

// Drain refuses further requests. Once the open ones are complete, GOAWAY is queued (RFC 9113 section 6.8),
// and Done reports true when it was pulled. GOAWAY of the server does the same.
func (c *Client) Drain() { c.advance(drainBegins) }

// Done reports whether the connection is to be closed: all output was pulled, and there was an error, the
// server has sent its last byte, or no request is open and no further one is possible.
func (c *Client) Done() bool {
	if c.known&started == 0 {
		return c.life != serving
	}
	return c.out == nil && c.life > draining
}

// Wanting reports whether Transmit may have something to send.
func (c *Client) Wanting() bool {
	return c.known&started != 0 && (c.drainComplete() || c.machine.Wanting())
}

// Transmit appends output to dst, at most room bytes and a trailer section or a frame of 1 KiB, and returns it.
// It calls Read of Sources, which may call commands, but not Next, Transmit or Expire.
func (c *Client) Transmit(dst []byte, room int) []byte {
	if c.known&started == 0 {
		return dst
	}
	if c.drainComplete() {
		c.finishDrain()
	}
	return c.machine.Transmit(dst, room)
}

func (c *Client) drainComplete() bool { return c.life == draining && c.streams.count == 0 }

func (c *Client) finishDrain() {
	c.advance(drainEnds)
	c.timers = [timers]instant{}
	c.out = appendGoaway(c.output(), c.lastPeerStream(), CodeNoError, "")
}

// EOF records that the server has sent its last byte. Open requests end with Reset events with
// CodeStreamClosed: call Next while Noticed reports true. Nothing more is sent.
func (c *Client) EOF() {
	if !c.advance(inputEnds) {
		return
	}
	c.timers = [timers]instant{}
	if c.block != nil {
		c.sh.giveBlock(c.block)
		c.block = nil
	}
	for _, st := range c.streamsWhere(func(*stream) bool { return true }) {
		c.drop(st, CodeStreamClosed, "connection has ended", c.unpulled(st))
	}
	c.releaseOutput()
}

// drop ends st without RST_STREAM. A Reset event follows.
func (c *Client) drop(st *stream, code ErrCode, reason string, unprocessed bool) {
	n := c.resetNotice(st, code, reason)
	n.unprocessed = unprocessed
	c.notice(n)
	c.history.markReset(st.id)
	c.closeStream(st)
}

// Reset cancels a request with code. No event follows. CodeNoError has no meaning from a client and is sent
// as CodeCancel. The stream counts against Capacity until the server has acknowledged a PING behind the reset. Reset
// does nothing if the stream is gone.
func (c *Client) Reset(id StreamID, code ErrCode) {
	if code == CodeNoError {
		code = CodeCancel
	}
	c.spent[StrayBudget] -= min(c.spent[StrayBudget], strayAfterReset)
	c.machine.Reset(id, code)
}

// Proceed lets the content of a request with Expect be sent. It does nothing if the stream is gone.
func (c *Client) Proceed(id StreamID) {
	if st := c.streams.find(id); st != nil && c.err == nil && st.flags&held != 0 {
		c.release(st)
	}
}

func (c *Client) release(st *stream) {
	st.flags &^= held
	if st.sendWindow <= 0 && st.state.allows(sendData) {
		c.stall(st)
	}
	c.schedule(st)
}
