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

// outcomeOf returns the outcome of a request that was cut with that cause.
func outcomeOf(cause error) Outcome {
	if errors.Is(cause, app.ErrPeerGone) {
		return PeerGone
	}
	return Cut
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
		l.unobserve(x)
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
	c := &l.connRecord
	if number := x.conn.Number(); c.Number != number {
		// Mostly it has that of the request before.
		*c = ConnRecord{
			Number: number, Loop: l.r.Index(),
			Local: x.info.Local, Peer: x.info.Peer, PeerName: x.info.PeerName, TLS: x.info.TLS,
		}
	}
	c.Requests, c.KeepAlive = o.number, x.keepAlive()
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
