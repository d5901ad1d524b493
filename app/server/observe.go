//go:build linux

package server

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/reactor"
)

// observation is what the server remembers of a request for its observers. It belongs to the loop, which uses it again.
type observation struct {
	end        spi.Termination // the zero value: nobody has ended it yet
	event      Event           // EventOpen once Opened was called
	reason     string          // of the server's set, or bodyLimit
	number     uint64          // of the request on its connection
	head       time.Duration   // from its first byte until it was complete
	wait       time.Duration   // until the head of the response; 0: unknown
	firstByte  time.Duration   // until the first byte of the response; 0: unknown
	received   int64           // bytes of the request with its head
	sentFields int64           // bytes of the head of the response
	route      string          // of a request whose Pattern is gone
	fields     app.Fields      // of the response, those that observers use
	upstream   *spi.UpstreamRecord
	socket     bool // it ends with its WebSocket
	refused    bool // its head was refused
}

// bodyLimit is the reason of requests whose content exceeds Config.MaxBody, as package gateway names it.
const bodyLimit = "body-limit"

// observe returns the memory for what observers will be told of a request.
func (l *loop) observe() *observation {
	if o := l.observations.Take(); o != nil {
		return o
	}
	return &observation{}
}

// unobserve frees the observation of x.
func (l *loop) unobserve(x *exchange) {
	o := x.seen
	x.seen = nil
	if u := o.upstream; u != nil {
		*u = spi.UpstreamRecord{}
		l.upstreamRecords.Give(u)
	}
	clear(o.fields)
	*o = observation{fields: o.fields[:0]}
	l.observations.Give(o)
}

// keepFields keeps the lines of a response that observers use. The response may be gone when they are told.
func (o *observation) keepFields(fields app.Fields, names []string) {
	for i := range fields {
		for _, name := range names {
			if octets.EqualFold(fields[i].Name, name) {
				o.fields = append(o.fields, fields[i])
				break
			}
		}
	}
}

// ends records who has ended the request. Later calls do nothing, nor do those after its response.
func (x *exchange) ends(by spi.Ender, reason string) {
	o := x.seen
	if o == nil || o.end.By != 0 || by == spi.EndedByNobody || x.ended && x.outcome == Complete {
		return
	}
	o.end, o.reason = spi.Termination{By: by, In: x.phase(by)}, reason
}

// endsFor is ends for a reason of the server.
func (x *exchange) endsFor(reason Reason) { x.ends(reasonTable[reason].by, reasonTable[reason].label) }

// endsForCause is ends for the cause of a cut, unless that is known better.
func (x *exchange) endsForCause(cause error) {
	if x.seen != nil && x.seen.end.By == 0 {
		x.ends(enderOf(cause))
	}
}

// enderOf returns who has ended a request that was cut with that cause, and the label of the reason.
func enderOf(cause error) (by spi.Ender, reason string) {
	switch {
	case errors.Is(cause, spi.ErrStalled):
		return spi.EndedByWatchdog, StallKill.String()
	case errors.Is(cause, spi.ErrStopped):
		return spi.EndedByDrain, ""
	case errors.Is(cause, app.ErrPeerGone):
		return spi.EndedByClient, ""
	}
	if own, ok := errors.AsType[*app.StatusError](cause); ok && own.Status == 413 {
		return spi.EndedByLimit, bodyLimit
	}
	return spi.EndedByMalformed, ""
}

// enderOfClose returns who has ended the requests of a connection that has ended with the error of
// reactor.Session.Closed, and the label of the reason.
func enderOfClose(err error) (by spi.Ender, reason string) {
	switch err {
	case reactor.ErrStalled:
		return spi.EndedByWatchdog, StallKill.String()
	case reactor.ErrStopped:
		return spi.EndedByDrain, ""
	case reactor.ErrShed:
		return spi.EndedByLimit, DescriptorShed.String()
	case reactor.ErrMadeRoom:
		return spi.EndedByClient, HalfClosedTimeout.String()
	case reactor.ErrPanic:
		return spi.EndedByPanic, ""
	}
	return spi.EndedByClient, ""
}

// phase returns the phase of a request that by ends now.
func (x *exchange) phase(by spi.Ender) spi.Phase {
	switch {
	case x.outcome == Upgraded, x.outcome == Hijacked:
		return spi.PhaseUpgraded
	case x.answered:
		return spi.PhaseResponse
	case !x.inputOver() && concernsContent(by):
		return spi.PhaseContent
	}
	return spi.PhaseWait
}

// concernsContent reports whether an end by that cause is one of content that has not arrived, and not of the handler,
// which may not need it.
func concernsContent(by spi.Ender) bool {
	switch by {
	case spi.EndedByDeadline, spi.EndedByHandler, spi.EndedByPanic, spi.EndedByWatchdog, spi.EndedByBackend, spi.EndedByLate:
		return false
	}
	return true
}

// EndedBy implements spi.Observed.
func (x *exchange) EndedBy(by spi.Ender) {
	if x.loop.observed && x.enter() {
		x.ends(by, "")
		x.leave()
	}
}

// Upstream implements spi.Observed.
func (x *exchange) Upstream() *spi.UpstreamRecord {
	if !x.loop.observed || !x.enter() {
		return nil
	}
	defer x.leave()
	o := x.seen
	if o == nil {
		return nil
	}
	if o.upstream == nil {
		if o.upstream = x.loop.upstreamRecords.Take(); o.upstream == nil {
			o.upstream = &spi.UpstreamRecord{}
		}
	}
	return o.upstream
}

// received counts n bytes of the request.
func (x *exchange) received(n int) {
	if x.seen != nil {
		x.seen.received += int64(n)
	}
}

// firstRead records that the machine begins to read the content of the response, behind its head. The clock was read when
// the session was asked for output.
func (x *exchange) firstRead() {
	if o := x.seen; o != nil && o.firstByte == 0 {
		o.firstByte = max(x.loop.r.TurnTime().Sub(x.Arrived), 1)
	}
}

// waited records the time until the head of a response that goes on. The clock may be read again for it, which costs a
// twentieth of a small request; those that end with their head get the time of the turn's output, see tellEnded.
func (x *exchange) waited() {
	if o := x.seen; o != nil {
		o.wait = max(x.loop.r.Now().Sub(x.Arrived), 1)
	}
}

// begun tells the observers that the request lasts: it has become a WebSocket, a tunnel, an event stream or a hijacked
// connection.
func (x *exchange) begun() {
	o, l := x.seen, x.loop
	if o == nil || o.event != EventNone {
		return
	}
	o.event, o.route = EventOpen, x.Pattern()
	if len(l.observers) == 0 {
		return
	}
	if x.info.Trust != nil {
		x.Client() // stays known when the fields are dropped
	}
	rec := l.fill(x, l.r.Now())
	for _, observer := range l.observers {
		observer.Opened(&x.Request, rec)
	}
}

// tellEnded tells the observers of the requests that have ended in this turn. Sessions call it after their output: these
// requests share a reading of the clock, which the output needs anyway and which includes the time of handlers that have
// answered at once.
func (l *loop) tellEnded() {
	now := l.r.Now()
	for i, x := range l.ended {
		l.ended[i] = nil
		l.tellFinished(x, now)
	}
	l.ended = l.ended[:0]
}

// flushEnded calls tellEnded if a request has ended.
func (l *loop) flushEnded() {
	if len(l.ended) > 0 {
		l.tellEnded()
	}
}

// tellFinished tells the observers that x has ended.
func (l *loop) tellFinished(x *exchange, now time.Time) {
	o := x.seen
	if o.event == EventOpen {
		o.event = EventClose
	}
	rec := l.fill(x, now)
	for _, observer := range l.observers {
		observer.Finished(&x.Request, rec)
	}
	if hook := l.server.config.Finished; hook != nil && !o.socket && !o.refused {
		l.callFinished(hook, x, rec)
	}
	l.unobserve(x)
}

// callFinished calls Config.Finished in a task, since it is user code, with a copy of rec.
func (l *loop) callFinished(hook func(*app.Request, Record), x *exchange, rec *Record) {
	r, c := *rec, *rec.Conn
	r.Conn, r.Fields = &c, slices.Clone(r.Fields)
	if r.Upstream != nil {
		u := *r.Upstream
		r.Upstream = &u
	}
	l.r.Post(func() { l.run(x, func() { hook(&x.Request, r) }) })
}

// isEventStream reports whether r has server-sent events.
func isEventStream(r *app.Response) bool {
	return strings.HasPrefix(r.Fields.Get("Content-Type"), "text/event-stream")
}

// sizeOfHead returns the size in bytes of the head of a response over HTTP/1.1 with these fields and no reason phrase.
func sizeOfHead(fields app.Fields) int64 {
	n := len("HTTP/1.1 200 \r\n\r\n")
	for i := range fields {
		n += len(fields[i].Name) + len(": \r\n") + len(fields[i].Value)
	}
	return int64(n)
}

// refusedHead tells the observers of a request whose head was refused, or did not arrive. in is what has arrived of it in
// HTTP/1; else it is nil. The result, which may be nil, takes more of what is known.
func (c *served) refusedHead(protocol string, id uint64, status int, by spi.Ender, reason string, in []byte) *observation {
	l := c.loop
	if len(l.observers) == 0 {
		return nil
	}
	o := l.observe()
	x := &exchange{stream: stream{connection: &c.connection, id: id, gone: true}}
	x.seen, x.status, x.outcome, x.ended = o, uint16(status), Cut, true
	x.Protocol, x.Scheme, x.Arrived = protocol, c.scheme(), l.r.TurnTime()
	x.Method, x.Target = understood(in)
	x.RawPath, x.RawQuery, _ = strings.Cut(x.Target, "?")
	x.subject = subjectOf(x.Method, x.Target)
	spi.Bind(&x.Request, x, &x.info)
	o.end, o.reason, o.refused = spi.Termination{By: by, In: spi.PhaseHead}, reason, true
	if status == 413 {
		o.end.In = spi.PhaseContent // which it announces
	}
	o.received = int64(len(in))
	l.ended = append(l.ended, x)
	c.conn.Touch()
	return o
}

// understoodMost limits the target of a refused request.
const understoodMost = 8 << 10

// understood returns the method and the target of the request line with which in begins, as far as they are one: visible
// ASCII characters.
func understood(in []byte) (method, target string) {
	for len(in) > 0 && (in[0] == '\r' || in[0] == '\n') {
		in = in[1:]
	}
	first, rest, ok := bytes.Cut(in, []byte(" "))
	if !ok || len(first) == 0 || len(first) > 32 || visible(first) < len(first) {
		return "", ""
	}
	return string(first), string(rest[:visible(rest[:min(len(rest), understoodMost)])])
}

// visible returns the number of visible ASCII characters with which b begins.
func visible(b []byte) int {
	for i, c := range b {
		if c <= ' ' || c >= 0x7f {
			return i
		}
	}
	return len(b)
}
