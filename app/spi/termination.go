package spi

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Ender is who has ended a request first, as a letter. The set is closed: the reasons of servers and gateways map to it.
type Ender byte

const (
	EndedByNobody    Ender = '-' // request and response are complete
	EndedByClient    Ender = 'C' // the client has left
	EndedBySlow      Ender = 'c' // the client was too slow, in sending or in reading
	EndedByReset     Ender = 'R' // the client has reset the HTTP/2 stream
	EndedByDrain     Ender = 'S' // the server drains or has stopped
	EndedByDeadline  Ender = 'T' // the handler has not answered in time
	EndedByHandler   Ender = 'H' // the handler, or the content of its response, has failed
	EndedByPanic     Ender = 'P' // the handler, or the content of its response, has panicked
	EndedByWatchdog  Ender = 'W' // the watchdog has taken the loop from code of the connection
	EndedByLimit     Ender = 'L' // a limit was exceeded
	EndedByMalformed Ender = 'M' // the request is malformed
	EndedByBackend   Ender = 'U' // the backend has failed, or there is none
	EndedByLate      Ender = 'u' // the backend was too slow
)

// Enders returns every Ender, in the order of the constants.
func Enders() []Ender {
	return []Ender{EndedByNobody, EndedByClient, EndedBySlow, EndedByReset, EndedByDrain, EndedByDeadline, EndedByHandler,
		EndedByPanic, EndedByWatchdog, EndedByLimit, EndedByMalformed, EndedByBackend, EndedByLate}
}

// Phase is the part of a request in which it was ended, as a letter.
type Phase byte

const (
	PhaseComplete Phase = '-' // after it
	PhaseHead     Phase = 'Q' // the head of the request
	PhaseContent  Phase = 'B' // the content of the request, before the head of the response
	PhaseWait     Phase = 'H' // waiting for the handler or the backend
	PhaseResponse Phase = 'D' // the response
	PhaseUpgraded Phase = 'U' // a WebSocket, a tunnel or a hijacked connection
)

// Phases returns every Phase, in the order of the constants.
func Phases() []Phase {
	return []Phase{PhaseComplete, PhaseHead, PhaseContent, PhaseWait, PhaseResponse, PhaseUpgraded}
}

// Termination is who has ended a request first, and when. The first cause stays: a client that leaves because of a
// failed response does not hide the failure. A response with an error status may have been sent all the same.
type Termination struct {
	By Ender
	In Phase
}

// Complete is the Termination of a request that nobody has ended.
var Complete = Termination{EndedByNobody, PhaseComplete}

// String returns the two letters.
func (t Termination) String() string { return string(t.Append(nil)) }

// Append appends the two letters. The zero Termination has those of Complete.
func (t Termination) Append(dst []byte) []byte {
	if t == (Termination{}) {
		t = Complete
	}
	return append(dst, byte(t.By), byte(t.In))
}

// UpstreamRecord describes the backend's part in a request, for observers.
type UpstreamRecord struct {
	// Route is the pattern of the route; empty without a file of routes. Backend is the name of the backend, Peer the
	// address of the peer that was asked last; both are empty if none was.
	Route, Backend, Peer string
	// Reason is the label of the reason for which the exchange has ended: "ok" if the backend's response was passed on.
	Reason string
	// Tries is the number of peers that were asked, with those that were asked again.
	Tries int
	// Began is the time from the arrival of the request to the last try, with which the other times begin: Connect ends
	// when a connection was chosen or open and has taken the request, Head with the head of the response, Total with the
	// response or its failure. A time that was not reached is 0.
	Began, Connect, Head, Total time.Duration
}

// Observed is an optional interface of an Exchange whose server may have observers. Its methods are called on the loop,
// owned or as user code, until the request has ended.
type Observed interface {
	// Upstream returns the place of the request's UpstreamRecord; nil if there are no observers. It is not to be used
	// after the end of the request (Cancel).
	Upstream() *UpstreamRecord
	// EndedBy records who has ended the request. Only the first call, by the server or others, has an effect.
	EndedBy(by Ender)
}

// UpstreamOf returns the place of the UpstreamRecord of r, or nil, see Observed.
func UpstreamOf(r *app.Request) *UpstreamRecord {
	if x, ok := core.Exchange(r).(Observed); ok {
		return x.Upstream()
	}
	return nil
}

// EndedBy records who has ended r, see Observed.
func EndedBy(r *app.Request, by Ender) {
	if x, ok := core.Exchange(r).(Observed); ok {
		x.EndedBy(by)
	}
}
