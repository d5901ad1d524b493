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

// Record describes a request that has ended.
type Record struct {
	// Outcome is how it has ended.
	Outcome Outcome
	// Status is the status of the response; 0 if there was none.
	Status int
	// In is the number of bytes of request content that arrived, Out the number of bytes of response content that
	// were passed to the connection.
	In, Out int64
	// Head is the time from the arrival of the request to the head of the response, Total the time from the arrival
	// to the end of request and response.
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

// finished counts the outcome of x, and calls Config.Finished in a task: that is user code, which must not run while
// a machine is pulling.
func (l *loop) finished(x *exchange) {
	if x.outcome != Complete {
		l.count.ended[x.outcome].Add(1)
	}
	if hook := l.server.config.Finished; hook != nil {
		r := x.record()
		l.r.Post(func() { l.run(x, func() { hook(&x.Request, r) }) })
	}
}
