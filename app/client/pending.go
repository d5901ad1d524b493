package client

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/spi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Attach(r *app.Request, e *ending.Entry, listener ending.Listener) bool
	Detach(r *app.Request, e *ending.Entry) bool
	InitBody(b *app.Body, from bodySource)
	InitPromise(p any, loop app.Loop)
	SettleWith(p any, v any, err error)
})

// bodySource is the message to which an app.Body belongs.
type bodySource = interface {
	Enter() bool
	Leave()
	Loop() app.Loop
	Asking() *app.Request
	Length() int64
	ReadBody(p []byte, ready func()) (n int, err error)
	Trailers() app.Fields
	TooLong(limit int64) error
	Close()
}

// Pending is a request under way, and its response. It belongs to its loop.
type Pending struct {
	call       Call
	on         *loop // nil: the loop cannot dial, or the request was not started
	promise    app.Promise[*Response]
	response   Response
	request    *Request
	origin     *Origin
	asking     *app.Request // nil: a loop asks
	loop       app.Loop
	dialer     spi.Dialer // nil: the loop cannot dial
	out        spi.Outgoing
	retry      Retry
	ending     ending.Entry
	entry      deadline.Entry // until the head; then of silence
	timeout    time.Duration  // until the head; 0: no limit
	total      time.Duration  // of the whole call; 0: no limit
	totalEntry deadline.Entry
	cause      error  // why the asking request has ended
	run        func() // turn, as a value
	failure    *Error
	trailers   app.Fields
	interim    []interim
	ready      func() // who waits for content
	wake       func() // contentReady, as a value
	state      pendingState
	settled    bool // the promise is settled
	drains     bool // the rest of the content is read and dropped
	read       bool // the content was read to its end
	ended      bool // the call has ended
	posted     atomic.Bool
}

type pendingState uint8

const (
	pendingNew  pendingState = iota
	pendingHead              // waits for the head
	pendingBody              // has the head
	pendingDone              // the call is released
)

// interim is a 1xx response that OnInterim has not received.
type interim struct {
	status int
	fields app.Fields
}

// Response returns the future of the response. It fails with an *Error. On the loop.
func (p *Pending) Response() app.Future[*Response] { return p.promise.Future() }

// Cancel ends the request and its response, if they have not ended. What waits for them
// fails with ClientGone. On the loop.
func (p *Pending) Cancel() {
	if p.dialer == nil || !p.dialer.Enter() {
		return
	}
	p.cancel(&Error{Kind: ClientGone, Err: p.cause})
	p.dialer.Leave()
}

// cancel ends what is under way with err.
func (p *Pending) cancel(err *Error) {
	switch p.state {
	case pendingHead:
		err.Sent = p.call.Started()
		err.Safe = !err.Sent
		p.release()
		p.fail(err)
	case pendingBody:
		p.failure = err.at(p.origin, &p.out)
		ready := p.ready
		p.release()
		if ready != nil {
			p.ready = nil
			p.dialer.Run(ready)
		}
	}
}

// release ends the use of the call.
func (p *Pending) release() {
	if p.state == pendingDone {
		return
	}
	p.state = pendingDone
	p.on.deadlines.Clear(&p.entry)
	p.on.deadlines.Clear(&p.totalEntry)
	if p.asking != nil {
		core.Detach(p.asking, &p.ending)
	}
	p.call.Release()
}

// fail makes the future fail.
func (p *Pending) fail(err *Error) {
	p.failure = err.at(p.origin, &p.out)
	p.dialer.Run(p.run)
}

// turn calls OnInterim and settles the promise, as user code.
func (p *Pending) turn() {
	for len(p.interim) > 0 {
		i := p.interim[0]
		p.interim = p.interim[1:]
		p.request.OnInterim(i.status, i.fields)
	}
	switch {
	case p.settled:
	case p.failure != nil && p.response.Status == 0:
		p.settled = true
		core.SettleWith(&p.promise, nil, p.failure)
	case p.response.Status != 0:
		p.settled = true
		core.SettleWith(&p.promise, &p.response, nil)
	}
}

// pendingEnds is a Pending as the request that asks and its deadline see it.
type pendingEnds Pending

// Ended implements ending.Listener: the request that asks has ended. Any goroutine.
func (e *pendingEnds) Ended(cause error) {
	p := (*Pending)(e)
	if p.posted.CompareAndSwap(false, true) {
		p.on.post(func() {
			p.cause = cause
			p.cancel(&Error{Kind: ClientGone, Err: cause})
		})
	}
}

// Expired implements deadline.Expirer.
func (e *pendingEnds) Expired(entry *deadline.Entry) {
	p := (*Pending)(e)
	switch {
	case entry == &p.totalEntry:
		p.cancel(&Error{Kind: CallTimeout, Sent: true, Err: fmt.Errorf("%s is not complete after %v", p.out.Method, p.total)})
	case p.state == pendingHead:
		p.cancel(&Error{Kind: HeadTimeout, Err: noHead(p.out.Method, p.timeout)})
	default:
		p.cancel(&Error{Kind: IdleTimeout, Sent: true, Err: fmt.Errorf("%s: no content for %v", p.out.Method, p.request.Idle)})
	}
}

// noHead returns the reason of a HeadTimeout.
func noHead(method string, limit time.Duration) error {
	return fmt.Errorf("%s: no head of a response after %v", method, limit)
}

// pendingEvents is a Pending as the Events of its call.
type pendingEvents Pending

// Origin implements Events.
func (e *pendingEvents) Origin(int, *Error) *Origin { return e.origin }

// Interim implements Events.
func (e *pendingEvents) Interim(status int, fields app.Fields) {
	if e.request.OnInterim != nil {
		e.interim = append(e.interim, interim{status, fields.Clone(0)})
		e.dialer.Run(e.run)
	}
}

// Head implements Events.
func (e *pendingEvents) Head(in *spi.Incoming) {
	p := (*Pending)(e)
	p.state = pendingBody
	p.on.deadlines.Clear(&p.entry)
	r := &p.response
	r.Status, r.Fields, r.Protocol = in.Status, in.Fields.Clone(0), in.Protocol
	r.ContentLength, r.stated = in.ContentLength, in.Stated
	if p.request.Limit > 0 {
		r.body.Limit(p.request.Limit)
	}
	p.read = in.ContentLength == 0
	p.dialer.Run(p.run)
}

// Ended implements Events.
func (e *pendingEvents) Ended(err *Error) {
	p := (*Pending)(e)
	p.ended = true
	switch {
	case p.state == pendingHead:
		p.release()
		p.fail(err)
	case p.read:
		p.release()
	}
}

// responseBody is a Pending as the source of its response's body.
type responseBody Pending

func (s *responseBody) Enter() bool          { return s.dialer.Enter() }
func (s *responseBody) Leave()               { s.dialer.Leave() }
func (s *responseBody) Loop() app.Loop       { return s.loop }
func (s *responseBody) Asking() *app.Request { return s.asking }
func (s *responseBody) Length() int64        { return s.response.ContentLength }
func (s *responseBody) Trailers() app.Fields { return s.trailers }

// TooLong implements bodySource. It cancels the rest.
func (s *responseBody) TooLong(limit int64) error {
	p := (*Pending)(s)
	p.failure = tooLong(limit).at(p.origin, &p.out)
	p.release()
	return p.failure
}

// ReadBody implements bodySource.
func (s *responseBody) ReadBody(b []byte, ready func()) (int, error) {
	p := (*Pending)(s)
	if p.state != pendingBody {
		if p.failure == nil {
			p.failure = &Error{Kind: ClientGone, Sent: true, Err: p.cause}
		}
		return 0, p.failure
	}
	if p.wake == nil {
		p.wake = p.contentReady
	}
	n, err := p.call.ReadBody(b, p.wake)
	if n == 0 && err == nil {
		p.ready = ready
		p.expectContent()
		return 0, nil
	}
	if err != nil {
		if err == io.EOF {
			p.trailers = p.call.Trailers()
		} else {
			p.failure = asError(err).at(p.origin, &p.out)
			err = p.failure
		}
		if p.read = true; p.ended {
			p.release()
		}
	}
	return n, err
}

// expectContent limits the time of silence.
func (p *Pending) expectContent() {
	if p.request.Idle > 0 {
		l := p.on
		l.deadlines.Set(&p.entry, l.now().Add(p.request.Idle), (*pendingEnds)(p))
	}
}

// contentReady is called when there is content, or the response has ended.
func (p *Pending) contentReady() {
	if p.drains {
		p.drain()
		return
	}
	if p.state == pendingBody {
		p.on.deadlines.Clear(&p.entry)
	}
	if ready := p.ready; ready != nil {
		p.ready = nil
		p.dialer.Run(ready)
	}
}

// Close implements bodySource: the rest will not be read.
func (s *responseBody) Close() {
	p := (*Pending)(s)
	if p.dialer.Enter() {
		p.drop()
		p.dialer.Leave()
	}
}

// drop ends the use of the response. A call whose content was read ends by itself, and a
// short rest is read, so that an HTTP/1 connection can be used again.
func (p *Pending) drop() {
	switch {
	case p.state == pendingDone || p.state == pendingBody && p.read && !p.ended:
	case p.state == pendingBody && !p.ended && p.response.Protocol == app.HTTP11 &&
		p.response.ContentLength >= 0 && p.response.ContentLength <= drainSize:
		p.drains = true
		if p.asking != nil {
			core.Detach(p.asking, &p.ending)
		}
		p.on.deadlines.Set(&p.entry, p.on.now().Add(drainTime), (*pendingEnds)(p))
		p.drain()
	default:
		p.release()
	}
}

// drain drops content that has arrived.
func (p *Pending) drain() {
	if p.wake == nil {
		p.wake = p.contentReady
	}
	for p.state == pendingBody && !p.read {
		n, err := p.call.ReadBody(p.on.scratch(), p.wake)
		switch {
		case err != nil && err != io.EOF:
			p.release()
		case err != nil:
			if p.read = true; p.ended {
				p.release()
			}
		case n == 0:
			return
		}
	}
}
