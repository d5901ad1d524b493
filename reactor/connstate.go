//go:build linux

package reactor

// The states of a Conn: the phase of its life, the reasons for not reading it, its polling, the turn of its kept input,
// and the watch for writability.
//
//	phase    open ─CloseFlushed→ flushing ────output sent─────→ closed
//	          │                     ↑↓                            ↑
//	          └──────Linger──→ lingering ──output sent─→ discarding ─FIN or time
//
//	polling  reading ⇄ paused      by the holds, at the end of a turn
//	         connecting → moving → reading           a dialled connection
//	         reading, paused → moving → reading      to another Loop or engine
//	         any → halfClosed      after the peer's FIN: writing only

// connPhase is the phase of a connection, from open to closed.
type connPhase uint8

const (
	phaseOpen       connPhase = iota
	phaseFlushing             // no input is presented; closes after the output was sent
	phaseLingering            // the same, but phaseDiscarding follows
	phaseDiscarding           // output was sent and writing shut down; input is read and discarded
	phaseClosed
	connPhases
)

// phaseEvent is an event that may change the phase. Conn.close, possible in every phase, is not one of them.
type phaseEvent uint8

const (
	closeFlushedAsked phaseEvent = iota // by the session
	lingerAsked                         // by the session, or for a filter that has failed
	outputOut                           // the kernel has taken all output, including close_notify
	peerFIN                             // the peer's FIN
	phaseEvents
)

// phaseTable has the next phase of each phase and event. phaseClosed: the connection is closed at once.
var phaseTable = [connPhases][phaseEvents]connPhase{
	phaseOpen:       {closeFlushedAsked: phaseFlushing, lingerAsked: phaseLingering, outputOut: phaseOpen, peerFIN: phaseOpen},
	phaseFlushing:   {closeFlushedAsked: phaseFlushing, lingerAsked: phaseLingering, outputOut: phaseClosed, peerFIN: phaseFlushing},
	phaseLingering:  {closeFlushedAsked: phaseFlushing, lingerAsked: phaseLingering, outputOut: phaseDiscarding, peerFIN: phaseFlushing},
	phaseDiscarding: {closeFlushedAsked: phaseDiscarding, lingerAsked: phaseDiscarding, outputOut: phaseDiscarding, peerFIN: phaseClosed},
	phaseClosed:     {closeFlushedAsked: phaseClosed, lingerAsked: phaseClosed, outputOut: phaseClosed, peerFIN: phaseClosed},
}

// after returns the phase that follows p on e.
func (p connPhase) after(e phaseEvent) connPhase { return phaseTable[p][e] }

// holds is a set of reasons for not reading a connection. While it is not empty, the kernel's receive window stops the
// peer.
type holds uint8

const (
	heldBySession holds = 1 << iota // Conn.Pause
	heldInputFull                   // unconsumed input has reached its limit
	heldByFilter                    // the filter has unprocessed input
)

// has reports whether reason is in h.
func (h holds) has(reason holds) bool { return h&reason != 0 }

// set adds reason to h or removes it. changed reports whether h was different before.
func (h *holds) set(reason holds, held bool) (changed bool) {
	before := *h
	if held {
		*h |= reason
	} else {
		*h &^= reason
	}
	return *h != before
}

// polling is the state of a connection at its engine.
type polling uint8

const (
	pollReading    polling = iota // the engine reports input
	pollPaused                    // the engine does not read, because of holds
	pollMoving                    // no engine: on the way to one, with a descriptor of its own
	pollConnecting                // no engine: a dialled socket that is not connected yet, or none
	pollHalfClosed                // no engine: the peer's FIN was received
)

// inputTurn is the time at which kept input is presented to the session again.
type inputTurn uint8

const (
	inputWithMore inputTurn = iota // when more input arrives
	inputAgain                     // at the end of this turn
	inputNextTurn                  // in a later turn, and no input before: the session has yielded
)

// presentAgain has kept input presented at the end of this turn, unless Yield has postponed it.
func (c *Conn) presentAgain() {
	if c.input == inputWithMore {
		c.input = inputAgain
	}
}

// watching is the state of a connection in the epoll set of writability.
type watching uint8

const (
	watchNone    watching = iota // not in the set
	watchIdle                    // reports a reset
	watchPending                 // reports once when the kernel takes output, or a reset
)
