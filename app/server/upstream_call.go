//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/linked"
)

// call is a request to another server and its response: the stream of their content, and the heads around it. It
// implements spi.Call for its owner, and receiver for its stream. It belongs to the loop, which uses it again after
// Release.
type call struct {
	linked.Links[call] // in upstream.calls
	stream
	notifierState

	up       *upstream
	owner    spi.CallEvents
	response inbound
	request  requestContent
	head     spi.Incoming
	fields   []app.Field // memory of head.Fields
	interims []interim
	ready    func() // of ReadBody, to be called
	failure  *client.Error
	due      callDue

	tunnel   bool // the response has opened a tunnel
	received bool // a byte of a response has come
	headCame bool // the head of the final response has come
	over     bool // the connection is done with it
	released bool
	listed   bool // in upstream.calls
}

var (
	_ spi.Call = (*call)(nil)
	_ receiver = (*call)(nil)
	_ notifier = (*call)(nil)
)

// callDue are events that are due, besides interims and ready.
type callDue uint8

const (
	dueHead  callDue = 1 << iota // CallEvents.Head
	dueFill                      // requestContent.fill
	dueClose                     // closing the content of the request
	dueEnded                     // CallEvents.Ended
)

// interim is an interim response that the owner has not received.
type interim struct {
	status int
	fields app.Fields
}

// newCall returns a call for r, which is not sent yet. On an error the content of r is closed.
func (u *upstream) newCall(r *spi.Outgoing, owner spi.CallEvents) (*call, error) {
	l := u.loop
	c := l.calls.Take()
	if c == nil {
		c = &call{}
		c.response.owner, c.request.call = c, c
	}
	c.connection, c.up, c.owner, c.in = &u.connection, u, owner, &c.response
	u.calls.Push(c)
	c.listed = true
	if err := c.request.begin(r); err != nil {
		c.refuse()
		return nil, err
	}
	return c, nil
}

// refuse ends a call whose request the machine has not taken. Its owner is not notified.
func (c *call) refuse() {
	c.over = true
	c.request.stop()
	c.Release()
}

// recycle keeps the call for reuse, once nothing of it is due.
func (c *call) recycle() {
	if !c.released || c.queued || c.active || c.due&dueClose != 0 {
		return
	}
	l := c.loop
	clear(c.fields)
	c.request.reset()
	*c = call{
		fields:   c.fields[:0],
		response: inbound{owner: c, kept: c.response.kept},
		request:  c.request,
	}
	l.calls.Give(c)
}

// announce has notify called.
func (c *call) announce() { c.loop.announce(c, &c.notifierState) }

// notify implements notifier.
func (c *call) notify() {
	c.queued, c.active = false, true
	for c.notifyNext() {
	}
	c.active = false
	c.recycle()
}

// notifyNext does what is due first. It reports false if nothing is.
func (c *call) notifyNext() bool {
	switch {
	case c.due&dueClose != 0:
		c.due &^= dueClose
		c.request.close()
	case c.released:
		return false
	case len(c.interims) > 0:
		i := c.interims[0]
		c.interims = c.interims[1:]
		c.owner.Interim(i.status, i.fields)
	case c.due&dueHead != 0:
		c.due &^= dueHead
		c.owner.Head(&c.head)
		if c.tunnel { // it may be open for days
			c.fields, c.head.Fields = nil, nil
		}
	case c.due&dueFill != 0:
		c.due &^= dueFill
		c.request.fill()
	case c.ready != nil:
		ready := c.ready
		c.ready = nil
		ready()
	case c.due&dueEnded != 0:
		c.due &^= dueEnded
		owner, failure := c.owner, c.failure
		c.unlist()
		if failure != nil {
			owner.Ended(failure)
		} else {
			owner.Ended(nil)
		}
	default:
		return false
	}
	return true
}

// interrupted implements notifier. If it was in code of the request's content, the request cannot be completed.
func (c *call) interrupted() {
	c.active = false
	c.request.interrupted()
	c.announce()
}

// unlist removes the call from those of its connection.
func (c *call) unlist() {
	if c.listed {
		c.listed = false
		c.up.calls.Remove(c)
		c.up.callGone()
	}
}

// interim passes on an interim response.
func (c *call) interim(status int, fields []app.Field) {
	c.received = true
	c.interims = append(c.interims, interim{status, append(app.Fields(nil), fields...)})
	c.announce()
}

// begin passes on the head of the final response, whose fields are copied.
func (c *call) begin(head spi.Incoming) {
	c.received, c.headCame = true, true
	c.fields = append(c.fields[:0], head.Fields...)
	c.head = head
	c.head.Fields = c.fields
	c.due |= dueHead
	c.announce()
}

// call implements receiver.
func (c *call) call(ready func()) {
	c.ready = ready
	c.announce()
}

// inputEnded implements receiver. A response that is complete before its request ends the request (RFC 9113 section
// 8.1). The directions of a tunnel end by themselves.
func (c *call) inputEnded() {
	if c.over {
		return
	}
	if !c.tunnel {
		c.request.stop()
	}
	c.endIfComplete()
}

// endIfComplete ends a call whose directions are both complete.
func (c *call) endIfComplete() {
	if !c.over && c.request.over && c.in.err == io.EOF {
		c.end()
	}
}

// fail ends a call that cannot be completed, for which the machine has done its part.
func (c *call) fail(kind client.Kind, unprocessed bool, err error) {
	if c.over {
		return
	}
	sent := c.up.self.sent(c)
	c.received = c.received || c.up.self.receivedAny(c)
	c.failure = &client.Error{Kind: kind, Sent: sent, Safe: unprocessed || !sent, Err: err}
	c.over = true
	c.endInput(c.failure)
	c.end()
}

// breakOff ends a call that cannot be completed: the server must not take its request for complete.
func (c *call) breakOff(kind client.Kind, err error) {
	if c.over {
		return
	}
	c.fail(kind, false, err)
	c.up.self.cancel(c)
}

// end records that the connection is done with the call.
func (c *call) end() {
	c.over = true
	c.request.stop()
	c.up.self.ended(c)
	c.countEnd()
	c.due |= dueEnded
	c.announce()
}

// ReadBody implements spi.Call.
func (c *call) ReadBody(p []byte, ready func()) (int, error) { return c.read(p, ready) }

// Trailers implements spi.Call.
func (c *call) Trailers() app.Fields { return c.in.trailers }

// Tunnel implements spi.Call.
func (c *call) Tunnel() bool { return c.tunnel }

// ReceivedAny implements spi.Call.
func (c *call) ReceivedAny() bool { return c.received || !c.over && c.up.self.receivedAny(c) }

// Proceed implements spi.Call.
func (c *call) Proceed() {
	if !c.over {
		c.up.self.proceed(c)
	}
}

// Release implements spi.Call.
func (c *call) Release() {
	if c.released {
		return
	}
	c.released = true
	if !c.over {
		c.over = true
		c.request.stop()
		c.up.self.cancel(c)
		c.up.self.ended(c)
		c.countEnd()
	}
	c.in.kept.release(&c.loop.chunks)
	c.interims, c.ready, c.owner = nil, nil, nil
	c.unlist()
	c.recycle()
}
