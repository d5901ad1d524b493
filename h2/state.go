package h2

// State is a stream's state. RFC 9113 section 5.1 draws it (PP: PUSH_PROMISE, H: HEADERS, ES:
// END_STREAM, R: RST_STREAM); reserved states do not occur, since no role of ours pushes or lets
// the peer push:
//
//	                   +--------+
//	                   |  idle  |
//	                   +--------+
//	                       | send H / recv H
//	         recv ES       v       send ES
//	       +-----------+------+------------+
//	       |           | open |            |
//	       v           +------+            v
//	+-------------+        |        +------------+
//	| half-closed |        | R      | half-closed|
//	|  (remote)   |        |        |  (local)   |
//	+-------------+        |        +------------+
//	       | send ES / R   v   recv ES / R |
//	       |           +--------+          |
//	       +---------->| closed |<---------+
//	                   +--------+
//
// PRIORITY is allowed everywhere and changes nothing (section 5.3), so it is not an input.
// WINDOW_UPDATE and RST_STREAM may arrive for a closed stream, whose peer may not know yet.
type State uint8

// The states; illegal is what the table gives for a pair that it lacks.
const (
	illegal State = iota
	Idle
	Open
	HalfClosedRemote // the peer has ended
	HalfClosedLocal  // we have ended
	Closed
	states
)

// input is what moves a stream, seen from our end. A frame with END_STREAM is two inputs: the
// frame's and then recvEnd or sendEnd.
type input uint8

const (
	recvHeaders input = iota // HEADERS that opens a stream, or trailers
	recvData
	recvEnd
	recvReset
	recvWindow
	sendHeaders
	sendData
	sendEnd
	sendReset
	sendWindow
	inputs
)

// transitions lists what is legal. A pair that is missing is illegal: what we received is
// an error, of the connection on an idle stream and of the stream else (section 5.1), and what we
// were about to send is not sent.
var transitions = [states][inputs]State{
	Idle: {
		recvHeaders: Open,
		sendHeaders: Open,
	},
	Open: {
		recvHeaders: Open,
		recvData:    Open,
		recvEnd:     HalfClosedRemote,
		recvReset:   Closed,
		recvWindow:  Open,
		sendHeaders: Open,
		sendData:    Open,
		sendEnd:     HalfClosedLocal,
		sendReset:   Closed,
		sendWindow:  Open,
	},
	HalfClosedRemote: {
		recvReset:   Closed,
		recvWindow:  HalfClosedRemote,
		sendHeaders: HalfClosedRemote,
		sendData:    HalfClosedRemote,
		sendEnd:     Closed,
		sendReset:   Closed,
	},
	HalfClosedLocal: {
		recvHeaders: HalfClosedLocal,
		recvData:    HalfClosedLocal,
		recvEnd:     Closed,
		recvReset:   Closed,
		recvWindow:  HalfClosedLocal,
		sendReset:   Closed,
		sendWindow:  HalfClosedLocal,
	},
	Closed: {
		recvReset:  Closed,
		recvWindow: Closed,
	},
}

func (s State) after(i input) State { return transitions[s][i] }

func (s State) allows(i input) bool { return transitions[s][i] != illegal }

var stateNames = [states]string{"illegal", "idle", "open", "half-closed (remote)", "half-closed (local)", "closed"}

// String gives the RFC's name of the state.
func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return "state?"
}
