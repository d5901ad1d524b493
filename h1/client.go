package h1

import "github.com/gatewheel/gatewheel/internal/octets"

// Client is one connection to a server. It is small and holds no buffer, like Conn. It has
// one request at a time: RFC 9112 section 9.3.2 lets a client pipeline, and few servers do
// well with it.
type Client struct {
	sh  *Shared
	ex  *exchange // the request in progress, until it and its response are complete; nil: none
	cut *error    // why the request was broken off; nil: it was not
	incoming
	maxHead    uint32 // of the bytes of a head, and of trailers; 0: Limits.FieldSize
	interims   uint8  // interim responses to the request
	reading    reading
	requesting requesting
	last       bool // no request follows the one in progress, or the one before
	sent       bool // a byte of the newest request has been pulled
	received   bool // a byte has come after the newest request
}

// Init starts a connection of a loop. The Shared may be that of connections to clients:
// Limits.Fields and FieldSize apply to heads and trailers, the other limits do not.
func (c *Client) Init(sh *Shared) {
	*c = Client{sh: sh, reading: noResponse, requesting: noRequest}
}

// LimitHead bounds the bytes of a head, and of trailers, in place of Limits.FieldSize.
func (c *Client) LimitHead(bytes int) { c.maxHead = uint32(min(max(bytes, 0), 1<<30)) }

// headLimit returns how many bytes a head, and trailers, may have.
func (c *Client) headLimit() int {
	if c.maxHead > 0 {
		return int(c.maxHead)
	}
	return c.sh.limits.FieldSize
}

// Next consumes n bytes of the server's input and fills one event. in holds all bytes that
// were not consumed before, and those that have arrived since. Call Next until the event is
// NeedMore, Closed or Switched, also when no input is left: an End needs none. An error is
// a *ResponseError. It is returned once; the event is Closed from then on.
func (c *Client) Next(in []byte, ev *ClientEvent) (n int, err error) {
	poisonClientEvent(ev)
	poisonBytes(c.sh.gathered)
	ev.Kind, ev.Data = NeedMore, nil
	for more := true; more; {
		var fault *Error
		var consumed int
		consumed, more, fault = c.advance(in[n:], ev)
		n += consumed
		if fault != nil {
			ev.Kind = Closed
			return len(in), c.fail(fault)
		}
	}
	return n, nil
}

// advance makes one step of the reading side. more means that the step filled no event and
// that another one may be possible.
func (c *Client) advance(in []byte, ev *ClientEvent) (n int, more bool, err *Error) {
	switch c.reading {
	case noResponse:
		if len(in) > 0 {
			return 0, false, errUnsolicited
		}
		return 0, false, nil
	case inHead:
		n, err = c.nextHead(in, ev)
		return n, false, err
	case inLength, inChunkLine, inChunk, inChunkEnd:
		return c.nextContent(in, ev)
	case inUntilEOF:
		if len(in) > 0 {
			ev.Kind, ev.Data = Data, in[:len(in):len(in)]
		}
		return len(in), false, nil
	case inTrailers:
		n, ev.Trailers, err = c.trailers(c.sh, in, ev.Trailers, c.headLimit())
		if n > 0 {
			c.read(trailersRead)
		}
		return n, n > 0, err
	case atEnd:
		if !c.chunk.used {
			ev.Trailers = ev.Trailers[:0]
		}
		c.chunk.used = false
		ev.Kind = End
		c.read(endEmitted)
		c.responded()
		return 0, false, nil
	case switched:
		ev.Kind = Switched
		return 0, false, nil
	}
	ev.Kind = Closed
	return len(in), false, nil
}

// nextContent reads on in the content of a response.
func (c *Client) nextContent(in []byte, ev *ClientEvent) (n int, more bool, err *Error) {
	n, data, step, err := c.next(c.sh, c.reading, in, 0)
	if err != nil {
		return n, false, err
	}
	if step != noInput {
		c.read(step)
	}
	if data != nil {
		ev.Kind, ev.Data = Data, data
		return n, false, nil
	}
	return n, step != noInput, nil
}

// nextHead reads the head of a response.
func (c *Client) nextHead(in []byte, ev *ClientEvent) (n int, err *Error) {
	if len(in) == 0 {
		return 0, nil
	}
	if c.requesting == headQueued {
		// Nothing of the request has left: these bytes respond to something else.
		return 0, errUnsolicited
	}
	c.received = true
	h := &ev.Head
	n, err = c.readHead(in, h)
	if n == 0 || err != nil {
		return 0, err
	}
	c.scanner = scanner{}
	switch {
	case h.Status == 101:
		err = c.accept101(ev)
	case h.Status < 200:
		err = c.interim(ev)
	default:
		c.final(ev)
	}
	return n, err
}

// readHead reads one head and returns its size, 0 if it is incomplete.
func (c *Client) readHead(in []byte, h *ResponseHead) (size int, err *Error) {
	var memo *headMemo[ResponseHead]
	if c.scanner.from != inStatus {
		c.scanner = response()
		if memo = c.sh.responseMemo(in, c.ex); memo != nil {
			if size = memo.size(in); size > 0 && size <= c.headLimit() {
				h.recall(&memo.head)
				return size, nil
			}
		}
	}
	size, err = c.scanner.scanWithin(c.sh, in, c.headLimit())
	if size == 0 || err != nil {
		return 0, err
	}
	text := string(in[:size])
	if err := h.parse(c.sh, text, c.ex); err != nil {
		return 0, err
	}
	if memo != nil {
		c.sh.keepResponse(memo, text, h)
	}
	return size, nil
}

// interim handles a 1xx other than 101 (RFC 9110 section 15.2).
func (c *Client) interim(ev *ClientEvent) *Error {
	if c.interims++; c.interims > maxInterims {
		return errInterims
	}
	c.last = c.last || !ev.Head.KeepAlive
	if ev.Head.Status == 100 {
		c.Proceed()
	}
	ev.Kind = Interim
	c.read(interimRead)
	return nil
}

// accept101 handles a 101. RFC 9110 section 7.8: it names the protocol that was asked for,
// and comes after the end of the request.
func (c *Client) accept101(ev *ClientEvent) *Error {
	if c.ex.protocol == "" || c.requesting != requestSent || !octets.EqualFold(ev.Head.Upgrade, c.ex.protocol) {
		return errSwitch
	}
	c.switchProtocol(ev)
	return nil
}

// switchProtocol passes the connection to another protocol.
func (c *Client) switchProtocol(ev *ClientEvent) {
	ev.Kind = Final
	c.last = true
	c.drop()
	c.read(headTurn)
}

// final begins the final response.
func (c *Client) final(ev *ClientEvent) {
	h := &ev.Head
	if c.ex.connect && h.Status/100 == 2 {
		c.switchProtocol(ev)
		return
	}
	ev.Kind = Final
	c.last = c.last || !h.KeepAlive
	if c.requesting == contentHeld {
		// RFC 9110 section 10.1.1: the server does not want the content, and may or may
		// not expect it: the connection is not used again.
		c.StopSending()
	}
	switch h.framing {
	case sized:
		c.left = h.ContentLength
		c.read(headLength)
	case chunked:
		c.beginChunks()
		c.read(headChunked)
	case untilShut:
		c.read(headUntilEOF)
	default:
		c.read(headPlain)
		c.responded()
	}
}

// responded handles the end of the response. RFC 9112 section 9.3: a server that has
// responded before the end of the request may take its rest for another one, so the
// connection is not used again.
func (c *Client) responded() {
	c.last = c.last || c.requesting != requestSent
	c.finish()
}

// finish ends the exchange if both directions are complete.
func (c *Client) finish() {
	if c.ex == nil || c.reading != noResponse {
		return
	}
	switch c.requesting {
	case requestSent:
		c.drop()
		c.moveRequest(exchangeOver)
	case requestStopped:
		c.drop()
	}
}

// drop returns the exchange to Shared.
func (c *Client) drop() {
	if ex := c.ex; ex != nil {
		c.ex = nil
		c.sh.give(ex)
	}
}

// fail ends the connection for a mistake of the server.
func (c *Client) fail(e *Error) error {
	fault := Malformed
	switch {
	case e == errUnsolicited:
		fault = Unsolicited
	case e == errCutOff:
		fault = CutOff
	case e.Status == 431 && c.reading == inTrailers:
		fault = TrailersTooLarge
	case e.Status == 431:
		fault = HeadTooLarge
	}
	c.Release()
	return &ResponseError{fault, e.Reason}
}

// EOF handles the FIN of the server. Call it when Next has returned NeedMore for all bytes
// before. Content without a length is complete then: call Next for its End. The error is a
// *ResponseError if a response is incomplete. A transport that can detect a truncated stream
// (TLS without close_notify, RFC 9112 section 9.8) must not call EOF in content without a
// length, but Abort.
func (c *Client) EOF() error {
	switch c.reading {
	case switched, shut:
		return nil
	case noResponse:
		c.Release()
		return nil
	case inUntilEOF:
		c.StopSending()
		c.read(eofRead)
		return nil
	case atEnd:
		c.last = true
		return nil
	}
	return c.fail(errCutOff)
}

// Idle reports whether a request may be queued: none is in progress, and the connection may
// be used again.
func (c *Client) Idle() bool { return c.ex == nil && c.reading == noResponse && !c.last }

// Done reports whether the connection is to be closed: it has failed, or no request is in
// progress and none may follow.
func (c *Client) Done() bool {
	return c.reading == shut || c.ex == nil && c.last && c.reading != switched
}

// Received reports whether any byte has come in response to the newest request.
func (c *Client) Received() bool { return c.received }

// Sent reports whether any byte of the newest request has been pulled.
func (c *Client) Sent() bool { return c.sent }

// Drain refuses further requests. The one in progress goes on.
func (c *Client) Drain() { c.last = true }

// Err returns why a request was broken off, or nil: the error of its Source, ErrLength,
// ErrField for trailers, or ErrAborted. The connection is to be closed then, so that the
// server sees that the request is incomplete.
func (c *Client) Err() error {
	if c.cut == nil {
		return nil
	}
	return *c.cut
}

// Abort breaks off the request in progress. The connection is to be closed.
func (c *Client) Abort() {
	if c.ex != nil {
		c.cutShort(ErrAborted)
	}
}

// cutShort ends the connection within a request.
func (c *Client) cutShort(err error) {
	if c.cut == nil {
		c.cut = &err
	}
	c.Release()
}

// Release ends the connection and returns its storage to Shared. Call it when the
// connection is closed.
func (c *Client) Release() {
	c.last = true
	c.drop()
	c.moveRequest(requestGivenUp)
	c.read(stopped)
}

// moveRequest moves the state of the request. An illegal pair is a fault of this package.
func (c *Client) moveRequest(in requestInput) {
	if !c.requesting.step(in) {
		c.requesting = requestStopped
		c.cutShort(errIllegal)
	}
}

// read moves the reading side. An illegal pair is a fault of this package.
func (c *Client) read(in readInput) {
	if !c.reading.step(&clientTable, in) {
		c.reading = shut
		c.cutShort(errIllegal)
	}
}
