package ws

// The life of a connection, as far as received frames and our own Close drive
// it (RFC 6455 sections 5.4 and 7):
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
// In closing states messages are read past and not handed out; in closed and
// failed everything is ignored. Ping and Pong may come in any state in between
// and change nothing.
type state uint8

const (
	illegal       state = iota // an absent entry of the table
	open                       // between messages
	within                     // after the first and before the last fragment of a message
	closing                    // our Close is sent, the peer's is awaited
	closingWithin              // the same amid a fragmented message of the peer
	closed                     // Close frames went both ways
	failed                     // the connection was failed: Conn.err says why
	numStates
)

// input is what may happen to a connection's state.
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
	violate                // a violation by the peer, or time ran out
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
	// A connection that waits in vain for its peer to end the transport fails.
	closed: {violate: failed},
	failed: {violate: failed},
}

// mayClose tells whether our Close has not been sent yet.
func (s state) mayClose() bool { return s < closing }

// over tells that nothing received is interpreted any more.
func (s state) over() bool { return s >= closed }
