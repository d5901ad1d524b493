//go:build linux

package server

import (
	"cmp"
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
)

// Outcome is how a request has ended.
type Outcome uint8

const (
	// Complete means that the whole response was passed to the connection.
	Complete Outcome = iota
	// Upgraded means that the request became a WebSocket.
	Upgraded
	// Hijacked means that the application has taken the connection from HTTP. The request ends with the connection.
	Hijacked
	// PeerGone means that the peer left, or reset the stream.
	PeerGone
	// Cut means that the content of the request was malformed or late. The rest of request and response was dropped.
	Cut
	// Aborted means that the handler failed to complete a response that it had begun.
	Aborted

	outcomes
)

// outcomeOf returns the outcome of a request that was cut with that cause.
func outcomeOf(cause error) Outcome {
	if errors.Is(cause, app.ErrPeerGone) {
		return PeerGone
	}
	return Cut
}

// Record describes a request that has ended, or lasts.
type Record struct {
	// Outcome is how it has ended.
	Outcome Outcome
	// Status is the status of the response; 0 if there was none.
	Status int
	// End is who has ended the request first, and in which phase. Reason is the label of the reason, one of Reason or of
	// the gateway; empty if there is none.
	End    spi.Termination
	Reason string
	// Event tells the two records of a request that lasts apart, see LoopObserver.Opened.
	Event Event
	// Target is the request target as it came, whatever middleware has made of r.Target.
	Target string
	// In is the number of bytes of request content that arrived, Out the number of bytes of response content that
	// were passed to the connection. Those of a WebSocket count its frames.
	In, Out int64
	// Received is the number of bytes of the request: the head and framing of its content, as they were read, counted;
	// over HTTP/2 these are the frames, with frames of the connection among them. Sent is Out, with the status line and
	// the field lines of the response in the form of HTTP/1.1, without those that the server adds itself.
	Received, Sent int64
	// HeadTime is the time from the first byte of the head until it was complete; 0 if it came at once, and over
	// HTTP/2.
	HeadTime time.Duration
	// Wait is the time from the arrival of the request, which is that of its complete head, to the head of the response,
	// FirstByte that to the first byte of the response which was passed to the connection, Total that to the end of
	// request and response. 0: there was none. The response of a handler that answers at once has the time of the
	// loop's turn. The kernel may hold bytes that the client has not taken.
	Wait, FirstByte, Total time.Duration
	// Conn describes the connection. It is never nil.
	Conn *ConnRecord
	// Stream is the number of the HTTP/2 stream; 0 over HTTP/1.
	Stream uint32
	// Fields are lines of the response that the application has made, see FieldObserver.
	Fields app.Fields
	// Route is the pattern of the route; empty if there is none.
	Route string
	// Upstream is nil unless a gateway has served the request.
	Upstream *spi.UpstreamRecord
}

// finished follows the end of x: it counts the outcome and keeps x for tellEnded.
func (l *loop) finished(x *exchange) {
	if x.outcome != Complete {
		l.count.ended[x.outcome].Add(1)
	}
	o := x.seen
	switch {
	case o == nil:
	case o.socket:
		// Config.Finished is called now, observers are told at the end of the WebSocket.
		if hook := l.server.config.Finished; hook != nil {
			l.callFinished(hook, x, l.fill(x, l.r.Now()))
		}
		x.seen = nil
	default:
		l.ended = append(l.ended, x)
	}
}

// fill returns the Record of x at that time. It is scratch memory of the loop.
func (l *loop) fill(x *exchange, now time.Time) *Record {
	o, rec := x.seen, &l.record
	if o == nil {
		o = &observation{} // for a snapshot of a server without observers
	}
	*rec = Record{
		Outcome: x.outcome, Status: int(x.status), End: o.end, Reason: o.reason, Event: o.event, Target: x.subject.Name(),
		Out: x.sent, Received: o.received, Sent: x.sent + o.sentFields,
		HeadTime: o.head, Wait: o.wait, FirstByte: o.firstByte, Total: max(now.Sub(x.Arrived), 0),
		Conn: &l.connRecord, Fields: o.fields, Route: o.route, Upstream: o.upstream,
	}
	if o.end.By == 0 {
		rec.End = spi.Complete
	}
	if x.in != nil {
		rec.In = x.in.taken
	}
	if x.answered {
		// Else it was answered in the turn that ends.
		rec.Wait = cmp.Or(rec.Wait, rec.Total)
		rec.FirstByte = cmp.Or(rec.FirstByte, rec.Total)
	}
	if rec.Route == "" {
		rec.Route = x.Pattern()
	}
	if u := o.upstream; u != nil {
		rec.Route = cmp.Or(u.Route, rec.Route)
		if u.Reason != "" && u.Reason != "ok" {
			rec.Reason = cmp.Or(rec.Reason, u.Reason)
		}
	}
	if x.Protocol == app.HTTP2 {
		rec.Stream = uint32(x.id)
	}
	l.connRecord = ConnRecord{
		Number: x.conn.Number(), Requests: o.number, Loop: l.r.Index(),
		Local: x.info.Local, Peer: x.info.Peer, PeerName: x.info.PeerName, TLS: x.info.TLS,
		KeepAlive: x.keepAlive(),
	}
	return rec
}

// keepAlive returns ConnRecord.KeepAlive.
func (x *exchange) keepAlive() byte {
	if x.outcome == PeerGone || x.outcome == Aborted || x.outcome == Cut && x.status == 0 {
		return 'X'
	}
	persists := false
	switch s := x.session.(type) {
	case *h1Session:
		persists = s.machine.Phase() != h1.Over && s.ending == drainNone
	case *h2Session:
		persists = !s.machine.Draining() && !s.machine.Done() && !s.failed
	}
	if persists && !x.conn.Closed() {
		return '+'
	}
	return '-'
}
