//go:build linux

package server

// The states of an HTTP/1 connection that the machine does not have: whether its socket is read, and how it
// ends when the server drains. A table has an entry for every state and input.

// h1Input is whether the input of a connection is read, and whether it has an end.
type h1Input uint8

const (
	inputRead       h1Input = iota // the socket is read
	inputPaused                    // reading waits for the application, or for answers to leave
	inputLast                      // the peer has sent FIN, what came before is read
	inputLastPaused                // the peer has sent FIN, what came before waits
	h1Inputs
)

type h1InputEvent uint8

const (
	inputPause h1InputEvent = iota
	inputResume
	inputFIN
	h1InputEvents
)

var h1InputTable = [h1Inputs][h1InputEvents]h1Input{
	inputRead:       {inputPause: inputPaused, inputResume: inputRead, inputFIN: inputLast},
	inputPaused:     {inputPause: inputPaused, inputResume: inputRead, inputFIN: inputLastPaused},
	inputLast:       {inputPause: inputLastPaused, inputResume: inputLast, inputFIN: inputLast},
	inputLastPaused: {inputPause: inputLastPaused, inputResume: inputLast, inputFIN: inputLastPaused},
}

func (i *h1Input) step(e h1InputEvent) { *i = h1InputTable[*i][e] }

// paused reports whether reading waits.
func (i h1Input) paused() bool { return i == inputPaused || i == inputLastPaused }

// last reports whether the peer has sent FIN.
func (i h1Input) last() bool { return i >= inputLast }

// h1Drain is how far a connection has come in a drain of the server.
type h1Drain uint8

const (
	drainNone   h1Drain = iota
	drainIdle           // no request has come: the connection ends after a look at its socket
	drainActive         // the same, but the peer was active lately and has until Loop.DrainBy for a request
	drainServe          // the connection ends after the requests that have come
	drainVacant         // the connection ends, and no request had come
	h1Drains
)

type h1DrainEvent uint8

const (
	drainBusy    h1DrainEvent = iota // the server drains, or looks again: there are requests, or a part of one
	drainSilent                      // the server drains: there is none, and the peer was silent
	drainRecent                      // the server drains: there is none, and the peer was active lately
	drainTimeout                     // none has come in time
	h1DrainEvents
)

var h1DrainTable = [h1Drains][h1DrainEvents]h1Drain{
	drainNone:   {drainBusy: drainServe, drainSilent: drainIdle, drainRecent: drainActive, drainTimeout: drainNone},
	drainIdle:   {drainBusy: drainServe, drainSilent: drainIdle, drainRecent: drainIdle, drainTimeout: drainVacant},
	drainActive: {drainBusy: drainServe, drainSilent: drainActive, drainRecent: drainActive, drainTimeout: drainVacant},
	drainServe:  {drainBusy: drainServe, drainSilent: drainServe, drainRecent: drainServe, drainTimeout: drainServe},
	drainVacant: {drainBusy: drainVacant, drainSilent: drainVacant, drainRecent: drainVacant, drainTimeout: drainVacant},
}

func (d *h1Drain) step(e h1DrainEvent) { *d = h1DrainTable[*d][e] }

// waits reports whether a request may still come before the connection ends.
func (d h1Drain) waits() bool { return d == drainIdle || d == drainActive }
