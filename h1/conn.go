package h1

import "bytes"

// Conn is one connection. It is small and holds no buffer: bytes that Next
// does not consume stay with the caller.
type Conn struct {
	sh       *Shared
	first    *exchange // the oldest request whose response is not out
	last     *exchange // the newest one
	cut      *error    // why a response was cut; nil: none was
	requests uint64    // how many have come: the newest one's id
	dropped  int64     // bytes of content discarded
	incoming
	unsent   uint32 // KiB of whole responses that have not been pulled to their end
	pending  uint16 // length of the list of exchanges
	blank    uint8  // empty lines before the request line
	reading  reading
	writing  writing
	ending   bool // no request is read after the newest one
	draining bool // no request is read after the one that is being read
	leaving  bool // the newest request has Connection: close
	spilled  bool // bytes arrived after reading ended
	blocked  bool // the last event was Blocked
	eof      bool // the peer has sent FIN
	resets   bool // the peer would take the cut response for a complete one
}

// Phase is the kind of input that a connection waits for. The caller chooses a timeout
// by it.
type Phase uint8

const (
	Between   Phase = iota // the next request; no byte of it has arrived
	InHead                 // the rest of a head
	InContent              // the rest of a request's content
	Waiting                // nothing: a request that may switch protocols is not answered
	Over                   // nothing: Closed or Switched
)

// Init starts a connection of a loop.
func (c *Conn) Init(sh *Shared) {
	*c = Conn{sh: sh, reading: inHead, writing: open}
}

// Next consumes n bytes of the peer's input and fills one event. in holds all bytes
// that were not consumed before, and those that have arrived since. Call Next until
// the event is NeedMore, Blocked, Closed or Switched, also when no input is left:
// an End needs none. An error is a *Error. It is returned once; the event is Closed
// from then on.
func (c *Conn) Next(in []byte, ev *Event) (n int, err error) {
	poisonEvent(ev)
	poisonBytes(c.sh.gathered)
	ev.Kind, ev.Data = NeedMore, nil
	for more := true; more; {
		var refusal *Error
		var consumed int
		consumed, more, refusal = c.advance(in[n:], ev)
		n += consumed
		if refusal != nil {
			c.refuse(refusal, in[n:])
			ev.Kind = Closed
			return len(in), refusal
		}
	}
	c.blocked = ev.Kind == Blocked
	if c.eof && ev.Kind == NeedMore {
		if refusal := c.inputOver(); refusal != nil {
			ev.Kind = Closed
			return len(in), refusal
		}
	}
	return n, nil
}

// advance makes one step of the reading side. more means that the step filled no
// event and that another one may be possible.
func (c *Conn) advance(in []byte, ev *Event) (n int, more bool, err *Error) {
	switch c.reading {
	case inHead:
		return c.nextHead(in, ev)
	case inLength, inChunkLine, inChunk, inChunkEnd:
		return c.nextContent(in, ev)
	case inTrailers:
		return c.nextTrailers(in, ev)
	case atEnd:
		return 0, c.end(ev), nil
	case atTurn:
		if len(in) > 0 {
			ev.Kind = Blocked
		}
		return 0, false, nil
	case switched:
		ev.Kind = Switched
		return 0, false, nil
	}
	c.spilled = c.spilled || len(in) > 0
	ev.Kind = Closed
	return len(in), false, nil
}

// nextHead reads the empty lines between two requests, and a head.
func (c *Conn) nextHead(in []byte, ev *Event) (n int, more bool, err *Error) {
	if c.ending {
		c.read(stopped)
		return 0, true, nil
	}
	if c.scanner.pos == 0 {
		if n, err = c.skipBlank(in); err != nil {
			return n, false, err
		}
		in = in[n:]
		if len(in) == 0 || len(in) == 1 && in[0] == '\r' {
			return n, false, nil
		}
		if c.Room() == 0 {
			ev.Kind = Blocked
			return n, false, nil
		}
	}
	size, err := c.readHead(in, &ev.Head)
	if size == 0 || err != nil {
		return n, false, err
	}
	c.begin(&ev.Head)
	ev.Kind, ev.ID = Request, c.requests
	return n + size, false, nil
}

// readHead reads one head and returns its size, 0 if it is incomplete.
func (c *Conn) readHead(in []byte, h *Head) (size int, err *Error) {
	var memo *headMemo[Head]
	if c.scanner.pos == 0 {
		if memo = c.sh.memo(in); memo != nil {
			if size = memo.size(in); size > 0 {
				h.recall(&memo.head)
				return size, nil
			}
		}
	}
	size, err = c.scanner.scan(c.sh, in)
	if err == errForeign && c.requests > 0 {
		err = errVersion
	}
	if size == 0 || err != nil {
		return 0, err
	}
	text := string(in[:size])
	if err := h.parse(c.sh, text); err != nil {
		return 0, err
	}
	if memo != nil {
		c.sh.keep(memo, text, h)
	}
	return size, nil
}

// skipBlank skips a few empty lines before a request line (RFC 9112 section 2.2).
func (c *Conn) skipBlank(in []byte) (n int, err *Error) {
	for n+1 < len(in) && in[n] == '\r' {
		if in[n+1] != '\n' {
			return n, errBareCR
		}
		if c.blank++; c.blank > maxBlank {
			return n, errBlank
		}
		n += 2
	}
	return n, nil
}

// begin adds an exchange for a request whose head has been read.
func (c *Conn) begin(h *Head) {
	ex := c.push()
	ex.minor = h.Minor
	ex.head = h.Method == "HEAD"
	ex.connect = h.Form == AuthorityForm
	ex.upgrade = h.Upgrade != ""
	ex.expecting = h.ExpectContinue
	ex.turn = ex.connect || ex.upgrade
	c.scanner, c.blank = scanner{}, 0
	c.leaving = !h.KeepAlive
	c.ending = c.ending || c.draining || c.leaving
	c.dropped = 0
	switch {
	case h.ContentLength > 0:
		c.left = h.ContentLength
		c.read(headLength)
	case h.ContentLength < 0:
		c.beginChunks()
		c.read(headChunked)
	case ex.turn:
		c.read(headTurn)
	default:
		c.read(headPlain)
	}
}

// refuse ends reading and queues a response with the reason. in holds the input that
// was not understood.
func (c *Conn) refuse(e *Error, in []byte) {
	inContent := c.reading != inHead
	c.stop()
	if e == errForeign {
		// RFC 9113 section 3.4: a peer that sent neither preface nor request gets no response.
		c.spilled = true
		c.writing.step(lastPulled)
		return
	}
	ex := c.last
	if !inContent {
		ex = c.push()
		ex.minor = 1
		ex.head = bytes.HasPrefix(in, []byte("HEAD "))
	}
	c.spilled = true
	switch {
	case ex == nil:
		// The response to this request has left.
		c.writing.step(lastPulled)
	case ex.state == unanswered:
		c.answerRefusal(ex, e)
	case ex.state.step(revoked):
		ex.withdrawn = ex.status
		c.answerRefusal(ex, e)
	}
}

// Refused reports whether the request has been refused for its content, so that
// its response is the machine's. withdrawn is the status of a response that was
// queued before and has been replaced; 0: none was.
func (c *Conn) Refused(id uint64) (withdrawn int, refused bool) {
	ex := c.find(id)
	if ex == nil || !ex.refused {
		return 0, false
	}
	return int(ex.withdrawn), true
}

// Refuse answers an incomplete request with an error, such as 408 after a timeout,
// and ends reading. It replaces a response whose final head has not been pulled. It
// does nothing if no request is being read.
func (c *Conn) Refuse(e *Error) {
	if c.reading == inHead && !c.ending || c.reading.content() {
		c.refuse(e, nil)
	}
}

// Drain lets the connection end after the requests that have arrived, including one
// that has arrived in part. The last response has Connection: close if its head has
// not left.
func (c *Conn) Drain() {
	c.draining = true
	if c.reading == inHead && c.scanner.pos > 0 {
		return
	}
	c.ending = true
	if c.reading == inHead {
		c.stop()
	}
	c.endIfIdle()
}

// EndAfterNewest makes the newest request the last one of the connection, so that its response has Connection: close. It
// does nothing if the head of that response has left, or a part of another request has arrived.
func (c *Conn) EndAfterNewest() {
	if c.last != nil && !c.last.out && !(c.reading == inHead && c.scanner.pos > 0) {
		c.ending = true
	}
}

// EOF handles the FIN of the peer. Call it when Next has returned
// NeedMore for all bytes before, or Blocked: blocked requests are still read. The
// error is a *Error if a request is incomplete. Answers still leave.
func (c *Conn) EOF() error {
	c.eof = true
	if c.blocked {
		return nil
	}
	if refusal := c.inputOver(); refusal != nil {
		return refusal
	}
	return nil
}

// inputOver handles the end of the peer's bytes.
func (c *Conn) inputOver() *Error {
	switch {
	case c.reading.content() && c.first == nil:
		// The content was being discarded.
		c.stop()
	case c.reading.content() || c.reading == inHead && c.scanner.pos > 0:
		c.refuse(errIncomplete, nil)
		return errIncomplete
	case c.reading == inHead:
		c.stop()
	default:
		c.ending = true
	}
	c.endIfIdle()
	return nil
}

// endIfIdle ends the writing side if no response is left to send.
func (c *Conn) endIfIdle() {
	if c.first == nil && c.ending && c.reading != switched {
		c.spilled = c.spilled || c.reading.content()
		c.stop()
		c.writing.step(lastPulled)
	}
}

// Done reports whether all output has been pulled and the connection is to be
// closed. If linger is true the peer may still be sending: shut down writing and
// discard input for a while, so that no reset destroys the last response (RFC 9112
// section 9.6). See Resets for responses that were cut.
func (c *Conn) Done() (done, linger bool) {
	switch c.writing {
	case cut:
		return true, false
	case finished:
		return true, !c.eof && (c.spilled || !c.leaving)
	}
	return false, false
}

// Err returns why a response was cut, or nil: the error of its Source,
// ErrLength, ErrField for trailers, or ErrAborted.
func (c *Conn) Err() error {
	if c.cut == nil {
		return nil
	}
	return *c.cut
}

// Resets reports whether the connection must be reset, since a response was cut that
// the peer would take for complete at the end of the connection (RFC 9112 section 8).
// The framing of other responses shows that they are incomplete.
func (c *Conn) Resets() bool { return c.resets }

// Phase returns the kind of input that the connection waits for.
func (c *Conn) Phase() Phase {
	switch {
	case c.reading == inHead && c.scanner.pos > 0:
		return InHead
	case c.reading == inHead, c.reading == atEnd:
		return Between
	case c.reading.content():
		return InContent
	case c.reading == atTurn:
		return Waiting
	}
	return Over
}

// Pending returns the number of requests whose responses have not been pulled to their
// end, including one that was refused by the machine.
func (c *Conn) Pending() int { return int(c.pending) }

// Room returns how many more requests Next may return before a response has been pulled.
// Large responses to them may leave less room.
func (c *Conn) Room() int {
	if int64(c.unsent)<<10 > int64(c.sh.limits.Unsent) {
		return 0
	}
	return max(c.sh.limits.Pipelined-int(c.pending), 0)
}

// Requests returns the number of requests that have arrived, with one that was refused.
func (c *Conn) Requests() uint64 { return c.requests }

// Release ends the connection and returns its storage to Shared. Call it when the
// connection is closed.
func (c *Conn) Release() {
	c.dropAll()
	c.ending = true
	c.reading = shut
	c.writing.step(answerTorn)
}
