package ws

// state is the part of a connection's life that received frames and our own Close
// frame drive (RFC 6455 sections 5.4 and 7):
//
//	        first frame                       first frame
//	open ────────────────▶ within     closing ────────────▶ closingWithin
//	│ ▲ ◀──────────────── │  │           │ ▲ ◀──────────── │
//	│ │      last frame      │           │ │   last frame
//	│ whole message          │           │ whole message
//	│                        │           │
//	│  we send Close:  open ─▶ closing,  within ─▶ closingWithin
//	│                        │           │
//	└──────── Close ─────────┴─────┬─────┘
//	                               ▼
//	                            closed        any state ─ violation ─▶ failed
//
// In the closing states messages are skipped; in closed and failed all input is
// ignored. Ping and Pong may come in any state before and change nothing.
type state uint8

const (
	illegal       state = iota // an absent entry of the table
	open                       // between messages
	within                     // after the first and before the last fragment of a message
	closing                    // our Close was sent, the peer's is awaited
	closingWithin              // the same within a fragmented message of the peer
	closed                     // Close frames went both ways
	failed                     // the connection failed; Conn.err is the reason
	numStates
)

// input is an event that can change a connection's state.
type input uint8

const (
	gotWhole  input = iota // a message in one frame
	gotFirst               // first fragment of a message
	gotMore                // continuation that is not the last
	gotLast                // last fragment
	gotPing                // needs a pong
	gotPong                // needs nothing
	gotClose               // the peer's Close
	sendClose              // our own Close
	violate                // a violation by the peer, or a timeout
	numInputs
)

var transitions = [numStates][numInputs]state{
	open: {
		gotWhole: open, gotFirst: within,
		gotPing: open, gotPong: open, gotClose: closed,
		sendClose: closing, violate: failed,
	},
	within: {
		gotMore: within, gotLast: open,
		gotPing: within, gotPong: within, gotClose: closed,
		sendClose: closingWithin, violate: failed,
	},
	closing: {
		gotWhole: closing, gotFirst: closingWithin,
		gotPing: closing, gotPong: closing, gotClose: closed,
		violate: failed,
	},
	closingWithin: {
		gotMore: closingWithin, gotLast: closing,
		gotPing: closingWithin, gotPong: closingWithin, gotClose: closed,
		violate: failed,
	},
	// A peer that does not end the transport in time fails the connection.
	closed: {violate: failed},
	failed: {violate: failed},
}

// mayClose reports whether our Close frame has not been sent yet.
func (s state) mayClose() bool { return s < closing }

// over reports whether received bytes are ignored.
func (s state) over() bool { return s >= closed }

// reading is the place in the input: the element of the next byte.
type reading uint8

const (
	atHeader     reading = iota // a frame header, or a control frame as a whole
	inFragment                  // the payload of a frame that does not end its message
	inFinalFrame                // the payload of one that does, or text of it still to be inflated
)

// liveness selects the time that passes while the peer is silent.
//
//	        keep-alive time over
//	alive ───────────────────────▶ pinged      alive or pinged ─ Pause ─▶ unread
//	      ◀───────────────────────                       alive ◀─ Resume ─ unread
//	            a byte received
type liveness uint8

const (
	alive  liveness = iota // the keep-alive time passes
	pinged                 // the time for an answer passes
	unread                 // no time passes: we do not read
)

// sending is the state of a message that is sent in parts.
type sending uint8

const (
	sendingNone  sending = iota
	sendingFirst         // Begin was called, its first frame is still to come
	sendingRest          // continuation frames follow
)
