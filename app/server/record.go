//go:build linux

package server

import (
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Outcome is how a request has ended.
type Outcome uint8

const (
	// Complete is the outcome of a request whose response was given to the connection to its end.
	Complete Outcome = iota
	// Upgraded is that of a request that a WebSocket has taken over.
	Upgraded
	// PeerGone is that of a request whose peer has left, or has reset its stream.
	PeerGone
	// Cut is that of a request whose content was malformed or late: what was left of request and response was dropped.
	Cut
	// Aborted is that of a request whose handler could not complete the response that it had begun.
	Aborted

	outcomes
)

// outcomeOf is the outcome of a request that is cut for that cause.
func outcomeOf(cause error) Outcome {
	if errors.Is(cause, app.ErrPeerGone) {
		return PeerGone
	}
	return Cut
}

// Record describes a request that is over.
type Record struct {
	// Outcome is how it has ended.
	Outcome Outcome
	// Status is that of the response; 0 if none was sent.
	Status int
	// In and Out are the bytes of content that came from the peer and that the connection has taken for it.
	In, Out int64
	// Head is the time from the arrival of the request's head to that of the response's; Total is that to the end.
	Head, Total time.Duration
}

// record describes x, which is over. It allocates nothing.
func (x *exchange) record() Record {
	r := Record{Outcome: x.outcome, Status: int(x.status), Out: x.sent, Head: x.headed, Total: x.loop.r.Now().Sub(x.Arrived)}
	if x.in != nil {
		r.In = x.in.taken
	}
	return r
}

// finished counts an exchange that is over, and tells Config.Finished. That is user code, and a machine may be pulling:
// it goes through the inbox.
func (l *loop) finished(x *exchange) {
	if x.outcome != Complete {
		l.count.ended[x.outcome].Add(1)
	}
	if tell := l.server.config.Finished; tell != nil {
		r := x.record()
		l.r.Post(func() { l.run(x, func() { tell(&x.Request, r) }) })
	}
}
