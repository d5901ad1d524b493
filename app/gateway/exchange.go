package gateway

import (
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/spi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Attach(r *app.Request, e *ending.Entry, who ending.Listener) bool
	Detach(r *app.Request, e *ending.Entry) bool
	InitPromise(p any, loop app.Loop)
	SetPattern(r *app.Request, route *internalapi.Route)
	SettleWith(p any, v any, err error)
	TakeBody(r *app.Request, p []byte, ready func()) (int, error)
})

// exchange is a request of a client and what a backend answers. It joins both sides: it is
// told of the call to the backend (client.Events), and reads the content of each side for
// the other. It belongs to the loop, which uses it again. What applications see of it is
// answer.
type exchange struct {
	*opening // nil: a tunnel is open
	g        *Gateway
	l        *loopState
	r        *app.Request
	dialer   spi.Dialer
	call     client.Call
	upload   upload
	copies   []*requestCopy // that were not sent yet
	copied   []byte         // content for them
	answer   *answer
	peer     *peer // of the current try
	probe    bool  // the try decides about the return of peer

	settings *settings
	backend  *Backend

	end    ending.Entry // of the request
	idleBy deadline.Entry
	idle   time.Duration // of idleBy; 0: no limit

	resolving func() // resolve, as a value
	woken     func() // wake, as a value
	ready     func() // of the reader of the response that waits
	more      bool   // the reader was not told yet of content

	note *spi.UpstreamRecord // for the server's observers; nil: there are none, or it is complete

	judged   bool // the try has said something about the peer
	reason   Reason
	failure  error
	starting bool // within begin
	released bool // call is not in use
	answered bool // the response, or the gateway's, was passed to the application
	callOver bool // the call has ended
	readOver bool // the content of the response was read, or will not be
	moved    bool // content has moved since the last look
	tunnel   bool
}

// opening is the part of an exchange that is needed until the head of the response has come. The
// loop uses it again.
type opening struct {
	head       requestHead
	out        spi.Outgoing
	tried      time.Time // when the current try began
	headBy     deadline.Entry
	absolute   bool   // headBy does not move with the content of the request
	halfClosed bool   // headBy is the end of waitHalfClosed
	key        string // of a WebSocket's handshake over HTTP/1.1
}

func (o *opening) reset() {
	o.head.reset() // headBy keeps its place
	o.out, o.tried, o.key, o.absolute, o.halfClosed = spi.Outgoing{}, time.Time{}, "", false, false
}

func newExchange(g *Gateway, l *loopState) *exchange {
	x := &exchange{g: g, l: l, released: true}
	x.resolving, x.woken = x.resolve, x.wake
	x.upload.init(x)
	return x
}

// reset prepares x for another request.
func (x *exchange) reset() {
	if x.opening != nil {
		x.opening.reset()
	}
	x.r, x.dialer, x.answer, x.peer, x.ready, x.failure = nil, nil, nil, nil, nil, nil
	x.settings, x.backend, x.note = nil, nil, nil
	x.upload.reset()
	x.reason, x.idle = OK, 0
	x.judged, x.more, x.answered, x.callOver, x.readOver, x.moved, x.tunnel = false, false, false, false, false, false, false
}

// begin sends the request.
func (x *exchange) begin(r *app.Request, dialer spi.Dialer) app.Answer {
	x.r, x.dialer = r, dialer
	a := newAnswer(x)
	x.answer = a
	x.observe()
	core.InitPromise(&a.promise, r.Loop())
	// The gateway has its own deadline, after which the status is 504.
	r.SetTimeout(0)
	if !core.Attach(r, &x.end, (*requestEnd)(x)) {
		x.reason = ClientGone
		x.finish()
		return app.Fail(app.ErrPeerGone)
	}
	x.out = spi.Outgoing{
		Method:    x.head.method,
		Authority: x.head.authority,
		Target:    x.head.target,
		Fields:    x.head.fields,
		Expect:    x.head.expect,
		Loop:      r.Loop(),
		Sensitive: spi.Sensitive(r),
	}
	if x.head.websocket {
		x.out.Protocol = "websocket" // Prepare adds the content
	} else if r.ContentLength != 0 {
		x.out.Content = &x.upload
	}
	x.setHeadDeadline()
	x.starting, x.released = true, false
	x.backend.client.Start(&x.call, dialer, &x.out, &x.settings.retry, x)
	x.starting = false
	if len(x.settings.mirrors) > 0 {
		x.mirror()
	}
	if x.answered {
		resp := &a.response
		x.finishIfOver()
		return app.Ready(resp)
	}
	return a.promise.Future()
}

// setHeadDeadline sets the time until which the head of the response must have arrived.
func (x *exchange) setHeadDeadline() {
	limit := x.settings.timeout
	if t := x.head.timeout; t > 0 && (limit == 0 || t < limit) {
		limit, x.absolute = t, true
	}
	if limit > 0 {
		x.l.deadlines.Set(&x.headBy, x.r.Arrived.Add(limit), x)
	}
}

// Expired implements deadline.Expirer.
func (x *exchange) Expired(e *deadline.Entry) {
	reason, limit, moved := HeadTimeout, x.settings.timeout, x.moved
	switch {
	case e == &x.idleBy:
		reason, limit = IdleTimeout, x.idle
	case x.halfClosed:
		reason, moved = ClientGone, false
	case x.absolute:
		moved = false
	}
	if moved {
		x.moved = false
		x.l.deadlines.Set(e, x.l.home.Now().Add(limit), x)
		return
	}
	x.fail(reason, nil)
}

// Origin implements client.Events.
func (x *exchange) Origin(try int, failed *client.Error) *client.Origin {
	now := x.l.home.Now()
	if x.peer != nil {
		if errors.Is(failed, client.ErrNoTunnels) {
			// RFC 8441 section 3: the peer takes no WebSockets over HTTP/2, but perhaps over HTTP/1.1.
			return x.peer.origin.HTTP1()
		}
		if dropped, ok := errors.AsType[*app.StatusError](failed); ok {
			x.judge(dropped.Status) // of client.Retry.Statuses
		} else {
			x.peer.countsOn(x.l).failed(reasonOf(failed))
		}
		x.peer.leaveAfter(x.judged, x.probe, reasonOf(failed), failed, now)
		x.judged = false
	}
	next, probe := x.backend.choose(x.r, x.peer, now)
	x.noteTry(next, now)
	if x.peer, x.probe, x.tried = next, probe, now; next == nil {
		return nil
	}
	if x.settings.hostOfPeer {
		x.out.Authority = next.origin.Authority()
	}
	return next.origin
}

// Interim implements client.Events. A 100 that the client has asked for is sent when its
// content is read.
func (x *exchange) Interim(status int, fields app.Fields) {
	if x.answered || status == 100 && x.out.Expect {
		return
	}
	_ = x.r.Inform(status, appendEndToEnd(nil, fields))
}

// Head implements client.Events.
func (x *exchange) Head(in *spi.Incoming) {
	a := x.answer
	if x.head.websocket && !x.mayPass(in) {
		x.fail(UpstreamMalformed, nil)
		return
	}
	x.judge(in.Status)
	if x.note != nil {
		x.note.Head = x.sinceTry()
	}
	a.response.Status = in.Status
	a.response.Fields = x.settings.response.Apply(appendResponseFields(a.response.Fields, in, &x.g.policy))
	a.response.Sensitive = in.Sensitive
	if cookie := x.backend.setCookie(x.r, x.peer); cookie != "" {
		a.response.Fields = append(a.response.Fields, app.Field{Name: "Set-Cookie", Value: cookie})
	}
	x.idle = x.settings.idle
	switch {
	case x.call.Tunnel():
		x.tunnel, x.idle = true, x.settings.tunnelIdle
		x.l.tunnels.Add(1)
		// A tunnel may be open for days.
		x.l.deadlines.Clear(&x.headBy)
		x.l.giveOpening(x.opening)
		x.opening = nil
		a.response.Status = 200
		a.response.Content = (*tunnel)(a)
	case in.ContentLength == 0:
		x.readOver = true
	default:
		a.length = in.ContentLength
		a.response.Content = (*content)(a)
	}
	if !x.tunnel && x.out.Content != nil && !x.upload.over && x.r.Protocol != app.HTTP2 {
		// RFC 9112 section 9.6: the rest of the request is not read, and the client is told that
		// the connection ends.
		a.response.Fields = append(a.response.Fields, app.Field{Name: "Connection", Value: "close"})
	}
	if !x.tunnel {
		x.l.deadlines.Clear(&x.headBy)
	}
	if x.moved = false; x.idle > 0 && !x.readOver {
		x.l.deadlines.Set(&x.idleBy, x.l.home.Now().Add(x.idle), x)
	}
	x.pass()
}

// judge records what the status of the response says about the peer.
func (x *exchange) judge(status int) {
	now := x.l.home.Now()
	took := now.Sub(x.tried)
	x.peer.countsOn(x.l).responded(status, took)
	x.judged = x.peer.judge(status, x.probe, took, now)
}

// mayPass reports whether a response to the handshake of a WebSocket may be passed on: one
// that accepts it, or, since a 2xx over HTTP/2 would accept it, a refusal.
func (x *exchange) mayPass(in *spi.Incoming) bool {
	if x.call.Tunnel() {
		return x.accepts(in.Fields)
	}
	return in.Status >= 300 || x.r.Protocol != app.HTTP2
}

// pass passes the response to the application. Nothing of x may be used afterwards: the
// exchange may have ended.
func (x *exchange) pass() {
	x.answered = true
	if !x.starting {
		x.dialer.Run(x.resolving)
	}
}

// resolve is user code.
func (x *exchange) resolve() {
	if !x.l.guard.Enter() {
		return
	}
	a, gone := x.answer, x.reason == ClientGone
	x.l.guard.Leave()
	if gone {
		core.SettleWith(&a.promise, nil, spi.ErrAborted)
		return
	}
	core.SettleWith(&a.promise, &a.response, nil)
}

// Ended implements client.Events.
func (x *exchange) Ended(err *client.Error) {
	x.callOver = true
	if err != nil {
		x.failed(reasonOf(err), err)
		return
	}
	x.wake()
	x.finishIfOver()
}

// fail ends an exchange that cannot be completed.
func (x *exchange) fail(reason Reason, err error) {
	x.release()
	x.failed(reason, err)
}

// release ends the use of the call, which is cancelled if it is in progress.
func (x *exchange) release() {
	x.callOver = true
	if !x.released {
		x.released = true
		x.call.Release()
	}
}

// failed answers for a backend that gives no response, or aborts the response that has
// begun.
func (x *exchange) failed(reason Reason, err error) {
	if x.reason == OK {
		x.reason, x.failure = reason, err
		spi.EndedBy(x.r, reason.Ender())
	}
	if x.answered {
		x.wake() // the next read fails
		x.finishIfOver()
		return
	}
	x.readOver = true
	a := x.answer
	a.response = *x.errorResponse(reason, err)
	x.l.deadlines.Clear(&x.headBy)
	if x.pass(); a.x != nil {
		x.finishIfOver()
	}
}

// errorResponse returns the response to a request whose backend gives none.
func (x *exchange) errorResponse(reason Reason, err error) *app.Response {
	f := &refusals[reason]
	if x.absolute && reason == HeadTimeout {
		return grpcResponse(grpcDeadlineExceeded, f.text)
	}
	var own *app.StatusError
	if errors.As(err, &own) {
		// The content of the request is at fault.
		f = &refusal{reason, own.Status, own.Error(), nil}
	} else if f.status == 0 {
		f = &refusals[ClientMalformed] // nobody reads it
	}
	return x.g.policy.errorResponse(f, x.head.grpc)
}

// wake tells the reader of the response that there is content, or an end.
func (x *exchange) wake() {
	x.more = true
	if ready := x.ready; ready != nil {
		x.ready = nil
		ready()
	}
}

// read reads content of the response.
func (x *exchange) read(p []byte) (int, error) {
	if x.released {
		return 0, x.brokenOff()
	}
	x.more = false
	n, err := x.call.ReadBody(p, x.woken)
	if n > 0 {
		x.moved = true
	}
	return n, err
}

// brokenOff returns the failure of a response that the gateway has broken off.
func (x *exchange) brokenOff() error {
	if x.failure != nil {
		return x.failure
	}
	return &client.Error{Kind: client.IdleTimeout, Sent: true}
}

// endReading records that no more content of the response is read. Nothing of x may be used
// afterwards.
func (x *exchange) endReading() {
	x.readOver = true
	x.finishIfOver()
}

// finishIfOver ends the exchange when both sides are done with it. Nothing of x may be used
// afterwards.
func (x *exchange) finishIfOver() {
	if x.callOver && x.readOver && x.answered && !x.starting {
		x.finish()
	}
}

// finish ends the exchange.
func (x *exchange) finish() {
	r, l := x.r, x.l
	core.Detach(r, &x.end)
	if x.opening != nil {
		l.deadlines.Clear(&x.headBy)
	}
	l.deadlines.Clear(&x.idleBy)
	if x.peer != nil {
		x.peer.countsOn(l).failed(x.reason)
		x.peer.leaveAfter(x.judged, x.probe, x.reason, asClientError(x.failure), l.home.Now())
	}
	if x.tunnel {
		l.tunnels.Add(-1)
	}
	if x.copies != nil {
		x.skipCopies()
	}
	x.release()
	x.endNote()
	l.count(x.reason)
	x.answer.x = nil
	reason, failure, ended := x.reason, x.failure, x.g.ended
	l.give(x)
	if ended != nil {
		ended(r, reason, failure)
	}
}

// requestEnd is an exchange that is told of the end of its request.
type requestEnd exchange

// Ended implements ending.Listener. A request that has ended before its response was read
// ends the call.
func (e *requestEnd) Ended(cause error) {
	x := (*exchange)(e)
	if !x.l.guard.Enter() {
		return
	}
	defer x.l.guard.Leave()
	if cause == app.ErrRequestDone && x.answered && x.readOver {
		x.endNote()
		x.finishIfOver() // else the call ends by itself
		return
	}
	if x.reason == OK {
		x.reason = reasonOfEnd(cause)
	}
	x.endNote()
	x.release()
	x.answered, x.readOver = true, true
	x.finishIfOver()
}

// waitHalfClosed is how long the head of a response may take after the client has closed its
// sending side over HTTP/1.1: mostly it has left, but it may also wait for the response (RFC 9112
// section 9.6).
const waitHalfClosed = 500 * time.Millisecond

// HalfClosed implements ending.HalfCloseListener.
func (e *requestEnd) HalfClosed() {
	x := (*exchange)(e)
	if !x.l.guard.Enter() {
		return
	}
	defer x.l.guard.Leave()
	if x.r == nil || x.answered || x.halfClosed {
		return
	}
	x.halfClosed = true
	x.l.deadlines.Set(&x.headBy, x.l.home.Now().Add(waitHalfClosed), x)
}

// asClientError returns err as a failure of the call, or nil.
func asClientError(err error) *client.Error {
	failure, _ := err.(*client.Error)
	return failure
}
