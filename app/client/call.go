package client

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Call is a request to another server without futures, for packages such as gateway. It
// allocates nothing once its loop has asked the origin before. The zero value is ready for
// Start; it must not be copied, and may be started again after Release. Its methods are
// called on the loop, owned: between Enter and Leave of the Dialer if user code runs.
//
//	idle ─Start→ waiting ─→ started ─Head→ headed ─Ended→ ended
//	             started ─(sent again)→ waiting, started
//	             waiting, started ─Ended→ ended
//	any ─Release→ idle
type Call struct {
	client  *Client
	loop    *loop
	dialer  spi.Dialer // of the request or loop that asks
	events  Events
	out     *spi.Outgoing
	origin  *Origin
	pool    *pool
	conn    *conn    // nil: none is used
	up      spi.Call // nil: none was started
	upload  *upload  // nil: no content, or bytes
	place   waiter
	entry   deadline.Entry // of waiting, or of Expect
	tryBy   deadline.Entry // of the present try
	retry   *Retry
	reason  *Error // while it fails
	state   callState
	tries   uint8
	repeats uint8  // tries that needed no permission
	extra   uint8  // tries that the caller permits
	round   uint32 // of pool.lasting; 0: it is not counted there
	reused  bool   // the connection had a call before
	bulk    bool
}

type callState uint8

const (
	callIdle callState = iota
	callWaiting
	callFailing // its failure is reported in a task
	callStarted
	callHeaded
	callEnded
)

// Events is notified of what happens to a Call. Its methods are called on the loop, owned, and never inside a
// method of the Call other than Start: Interim any number of times, Head at most once, and
// Ended exactly once, unless Release comes first. They may call any method of the Call.
type Events interface {
	// Origin chooses the origin of a try. try is 0 for the first, and failed is the failure
	// of the one before: if that is a response with one of Retry.Statuses, failed wraps an
	// *app.StatusError. If it returns nil, the call ends with failed, or with NoPeer.
	Origin(try int, failed *Error) *Origin
	// Interim passes a 1xx response other than 101.
	Interim(status int, fields app.Fields)
	// Head passes the final response. in is borrowed until Head returns. There is no
	// further try.
	Head(in *spi.Incoming)
	// Ended is called when the call is complete in both directions, with nil, or has
	// failed.
	Ended(err *Error)
}

// Preparer is an optional interface of Events of calls whose Outgoing has a Protocol.
type Preparer interface {
	// Prepare is called before each try, with the protocol of its connection. It may
	// change out.
	Prepare(protocol string, out *spi.Outgoing)
}

// Starter is an optional interface of Events of calls that are timed.
type Starter interface {
	// Started is called for each try, when the request was passed to a connection.
	Started()
}

// Start sends a request on behalf of d. out is borrowed until Head, Ended or Release; an empty
// Scheme or Authority is that of the origin. A request that surely was not processed is
// sent again, and one with an idempotent method also if a reused connection has ended
// before any byte of a response (RFC 9110 section 9.2.2). Other failures are retried as
// retry says, which is borrowed too; nil is the zero Retry. Ended may be called before Start
// returns.
func (c *Client) Start(call *Call, d spi.Dialer, out *spi.Outgoing, retry *Retry, e Events) {
	call.client, call.dialer, call.out, call.events = c, d, out, e
	if call.retry = retry; retry == nil {
		call.retry = &noRetry
	}
	call.extra = uint8(min(max(call.retry.Tries, 0), 255))
	call.loop = c.loopOf(d)
	call.bulk = false
	if content := out.Content; content != nil {
		n := content.Length()
		call.bulk = n < 0 || n > bulkSize
		call.upload = newUpload(call, content)
	}
	call.try(nil)
}

// try begins a try.
func (c *Call) try(failed *Error) {
	c.origin = c.events.Origin(int(c.tries), failed)
	switch {
	case c.origin != nil:
	case failed != nil:
		c.end(failed)
		return
	default:
		c.end(&Error{Kind: NoPeer, Safe: true})
		return
	}
	c.tries++
	if limit := c.retry.Timeout; limit > 0 {
		c.loop.deadlines.Set(&c.tryBy, c.loop.now().Add(limit), (*callEvents)(c))
	}
	p := c.poolOf(c.origin)
	p.count.requests.Add(1)
	if failed != nil {
		p.count.retries.Add(1)
	}
	c.pool = p
	if err := p.start(c); err != nil {
		c.failed(err)
	}
}

// start passes the request to the connection.
func (c *Call) start() *Error {
	l, o := c.loop, c.origin
	out := &l.outgoing
	*out = *c.out
	out.Loop = c.dialer.(app.Loop)
	if out.Scheme == "" {
		out.Scheme = o.place.scheme
	}
	if out.Authority == "" {
		out.Authority = o.authority
	}
	if out.Protocol != "" && c.conn.http2 && !c.conn.acceptsTunnels() {
		*out = spi.Outgoing{}
		return &Error{Kind: UpstreamMalformed, Safe: true, Err: ErrNoTunnels}
	}
	if c.upload != nil {
		out.Content = c.upload.attempt(c.conn.http2)
	}
	if out.Protocol != "" {
		if p, ok := c.events.(Preparer); ok {
			p.Prepare(c.conn.up.Protocol(), out)
		}
	}
	up, err := c.conn.up.Start(out, (*callEvents)(c))
	expects := out.Expect && out.Content != nil
	*out = spi.Outgoing{}
	if err != nil {
		return asError(err)
	}
	c.up, c.state = up, callStarted
	if s, ok := c.events.(Starter); ok {
		s.Started()
	}
	if expects {
		l.deadlines.Set(&c.entry, l.now().Add(expectTime), (*callEvents)(c))
	}
	return nil
}

// waitError returns the failure of a call that has waited for too long.
func (c *Call) waitError() *Error {
	if last := c.pool.dials.last; last != nil {
		return last
	}
	return &Error{Kind: Overflow, Safe: true, Err: errWaited}
}

// leave frees the connection. The response may still be read.
func (c *Call) leave() {
	c.loop.deadlines.Clear(&c.entry)
	if c.conn != nil {
		c.pool.release(c)
	}
}

// failed tries again, or ends the call.
func (c *Call) failed(err *Error) {
	c.loop.deadlines.Clear(&c.tryBy)
	c.pool.count.failures[err.Kind].Add(1)
	again := c.mayRepeat(err)
	if c.conn != nil {
		c.leave()
	}
	if !again {
		c.end(err)
		return
	}
	c.again(err)
}

// again begins another try. The connection of the last one was left.
func (c *Call) again(err *Error) {
	if c.up != nil {
		c.up.Release()
		c.up = nil
	}
	c.state = callIdle
	c.try(err)
}

// end is the end of the call without another try.
func (c *Call) end(err *Error) {
	c.state = callEnded
	if c.upload != nil {
		err = c.upload.explain(err)
	}
	c.finishUpload()
	c.events.Ended(err)
}

// finishUpload closes the content.
func (c *Call) finishUpload() {
	if u := c.upload; u != nil {
		c.upload = nil
		u.finish()
	}
}

// Release ends the use of the call. One in progress is cancelled, without Ended.
func (c *Call) Release() {
	if c.state == callIdle {
		return
	}
	switch c.state {
	case callWaiting:
		c.pool.dequeue(c)
	case callFailing:
		c.loop.failing.Remove(&c.place)
	}
	c.loop.deadlines.Clear(&c.tryBy)
	c.dropTry()
	c.finishUpload()
	*c = Call{entry: c.entry, tryBy: c.tryBy}
}

// dropTry cancels the present try, and leaves its connection.
func (c *Call) dropTry() {
	up := c.up
	c.up = nil
	if up != nil {
		up.Release()
	}
	if c.conn != nil {
		c.leave()
	}
}

// ReadBody copies available content of the response into p. After (0, nil), ready is called
// once, as a method of Events is, when another call would return something. The error is
// io.EOF or an *Error. It may be called from Head to Release.
func (c *Call) ReadBody(p []byte, ready func()) (int, error) {
	n, err := c.up.ReadBody(p, ready)
	if n > 0 && c.conn != nil {
		c.heard()
	}
	return n, err
}

// Trailers returns the trailer fields of the response, after io.EOF.
func (c *Call) Trailers() app.Fields { return c.up.Trailers() }

// Proceed sends content that Expect holds back.
func (c *Call) Proceed() {
	if c.state == callStarted {
		c.loop.deadlines.Clear(&c.entry)
		c.up.Proceed()
	}
}

// Tunnel reports whether the response has opened a tunnel, see spi.Call.
func (c *Call) Tunnel() bool { return c.up != nil && c.up.Tunnel() }

// Info describes the connection; nil if there is none, or no longer one.
func (c *Call) Info() *app.ConnInfo {
	if c.conn == nil {
		return nil
	}
	return c.conn.up.Info()
}

// Reused reports whether the connection had served a request before.
func (c *Call) Reused() bool { return c.reused }

// Tries returns the number of tries so far.
func (c *Call) Tries() int { return int(c.tries) }

// Started reports whether the request was passed to a connection.
func (c *Call) Started() bool { return c.up != nil }

// InProgress reports whether Ended or Release is still to come.
func (c *Call) InProgress() bool { return c.state != callIdle && c.state != callEnded }

// Now returns the time of the call's loop.
func (c *Call) Now() time.Time { return c.loop.now() }
