//go:build linux

package server

import (
	"errors"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Outcome is the way in which a request has ended.
type Outcome uint8

const (
	// Complete means that the connection has taken the whole response.
	Complete Outcome = iota
	// Upgraded means that the request became a WebSocket.
	Upgraded
	// PeerGone means that the peer left, or reset the stream.
	PeerGone
	// Cut means that the content of the request was malformed or late, so that the rest of request and response was
	// dropped.
	Cut
	// Aborted means that the handler failed to complete a response that it had begun.
	Aborted

	outcomes
)

// outcomeOf returns the outcome of a request that is cut for that cause.
func outcomeOf(cause error) Outcome {
	if errors.Is(cause, app.ErrPeerGone) {
		return PeerGone
	}
	return Cut
}

// Record describes a request that has ended.
type Record struct {
	// Outcome is the way in which it has ended.
	Outcome Outcome
	// Status is the status of the response; 0 if there was none.
	Status int
	// In and Out are the bytes of content that arrived and that the connection has taken.
	In, Out int64
	// Head is the time from the arrival of the request to the head of the response, Total that to the end.
	Head, Total time.Duration
}

// record returns the Record of x, which has ended.
func (x *exchange) record() Record {
	r := Record{Outcome: x.outcome, Status: int(x.status), Out: x.sent, Head: x.headAfter, Total: x.loop.r.Now().Sub(x.Arrived)}
	if x.in != nil {
		r.In = x.in.taken
	}
	return r
}

// finished counts an exchange that has ended, and calls Config.Finished. That is user code, which must not run while a
// machine is pulling, so it goes through the inbox.
func (l *loop) finished(x *exchange) {
	if x.outcome != Complete {
		l.count.ended[x.outcome].Add(1)
	}
	if tell := l.server.config.Finished; tell != nil {
		r := x.record()
		l.r.Post(func() { l.run(x, func() { tell(&x.Request, r) }) })
	}
}
