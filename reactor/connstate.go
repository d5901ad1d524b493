//go:build linux

package reactor

// The states of a Conn: how far it has come in closing, what keeps it from being read, who polls it, when its input
// is presented, and whether the kernel is asked when it takes output.
//
//	phase    open ─CloseFlushed→ flushing ────output is out───→ closed
//	          │                     ↑↓                            ↑
//	          └──────Linger──→ lingering ─output is out→ discarding ─FIN or time
//
//	polling  reading ⇄ paused      by the holds, at the end of a turn
//	         reading, paused → moving → reading      to another Loop or engine
//	         any → halfClosed      the peer's FIN has come, and only writing is left

// connPhase is how far a connection has come in closing.
type connPhase uint8

const (
	phaseOpen       connPhase = iota
	phaseFlushing             // input is not presented any more; the connection closes once its output is out
	phaseLingering            // the same, but then input is read for a while
	phaseDiscarding           // the output is out and writing shut down; input is read and thrown away
	phaseClosed
	connPhases
)

// phaseEvent is what moves a connection to another phase. The end of a connection, which may come in every phase,
// is none of them: see Conn.close.
type phaseEvent uint8

const (
	closeFlushedAsked phaseEvent = iota // by the session
	lingerAsked                         // by the session, or for a filter that has failed
	outputOut                           // the kernel has taken everything, a filter's close_notify included
	peerFIN                             // the peer's FIN has come
	phaseEvents
)

// phaseTable has the next phase. phaseClosed stands for closing at once.
var phaseTable = [connPhases][phaseEvents]connPhase{
	phaseOpen:       {closeFlushedAsked: phaseFlushing, lingerAsked: phaseLingering, outputOut: phaseOpen, peerFIN: phaseOpen},
	phaseFlushing:   {closeFlushedAsked: phaseFlushing, lingerAsked: phaseLingering, outputOut: phaseClosed, peerFIN: phaseFlushing},
	phaseLingering:  {closeFlushedAsked: phaseFlushing, lingerAsked: phaseLingering, outputOut: phaseDiscarding, peerFIN: phaseFlushing},
	phaseDiscarding: {closeFlushedAsked: phaseDiscarding, lingerAsked: phaseDiscarding, outputOut: phaseDiscarding, peerFIN: phaseClosed},
	phaseClosed:     {closeFlushedAsked: phaseClosed, lingerAsked: phaseClosed, outputOut: phaseClosed, peerFIN: phaseClosed},
}

// after returns the phase that follows p.
func (p connPhase) after(e phaseEvent) connPhase { return phaseTable[p][e] }

// holds are the reasons for which a connection is not to be read. While there is one, the kernel's window stops
// the peer.
type holds uint8

const (
	heldBySession holds = 1 << iota // Conn.Pause
	heldInputFull                   // the session has left as much input as may be kept
	heldByFilter                    // the filter has input left
)

func (h holds) has(reason holds) bool { return h&reason != 0 }

// set adds or removes a reason, and reports whether that changed h.
func (h *holds) set(reason holds, held bool) (changed bool) {
	before := *h
	if held {
		*h |= reason
	} else {
		*h &^= reason
	}
	return *h != before
}

// polling is what the connection's engine does for it.
type polling uint8

const (
	pollReading    polling = iota // it reports input
	pollPaused                    // it was told not to, since the connection is held
	pollMoving                    // nothing: the connection is on its way to an engine, with a descriptor of its own
	pollHalfClosed                // nothing more: the peer's FIN has come
)

// inputTurn is when the session is presented input that it has left.
type inputTurn uint8

const (
	inputWithMore inputTurn = iota // when more comes
	inputAgain                     // at the end of this turn
	inputNextTurn                  // in a turn of its own: it has yielded, and gets nothing before
)

// presentAgain has kept input presented at the end of this turn, unless it waits for one of its own.
func (c *Conn) presentAgain() {
	if c.input == inputWithMore {
		c.input = inputAgain
	}
}

// watching is what the set of writability knows of a connection.
type watching uint8

const (
	watchNone    watching = iota
	watchIdle             // it reports a reset
	watchPending          // it reports once when the kernel takes output
)
