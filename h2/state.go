package h2

// streamState is a stream's state. RFC 9113 section 5.1 draws it (PP: PUSH_PROMISE, H: HEADERS, ES:
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
type streamState uint8

// The states; illegal is what the table gives for a pair that it lacks.
const (
	illegal streamState = iota
	idle
	open
	halfClosedRemote // the peer has ended
	halfClosedLocal  // we have ended
	closed
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
var transitions = [states][inputs]streamState{
	idle: {
		recvHeaders: open,
		sendHeaders: open,
	},
	open: {
		recvHeaders: open,
		recvData:    open,
		recvEnd:     halfClosedRemote,
		recvReset:   closed,
		recvWindow:  open,
		sendHeaders: open,
		sendData:    open,
		sendEnd:     halfClosedLocal,
		sendReset:   closed,
		sendWindow:  open,
	},
	halfClosedRemote: {
		recvReset:   closed,
		recvWindow:  halfClosedRemote,
		sendHeaders: halfClosedRemote,
		sendData:    halfClosedRemote,
		sendEnd:     closed,
		sendReset:   closed,
	},
	halfClosedLocal: {
		recvHeaders: halfClosedLocal,
		recvData:    halfClosedLocal,
		recvEnd:     closed,
		recvReset:   closed,
		recvWindow:  halfClosedLocal,
		sendReset:   closed,
		sendWindow:  halfClosedLocal,
	},
	closed: {
		recvReset:  closed,
		recvWindow: closed,
	},
}

func (s streamState) after(i input) streamState { return transitions[s][i] }

func (s streamState) allows(i input) bool { return transitions[s][i] != illegal }

var stateNames = [states]string{"illegal", "idle", "open", "half-closed (remote)", "half-closed (local)", "closed"}

// String gives the RFC's name of the state.
func (s streamState) String() string {
	if s < states {
		return stateNames[s]
	}
	return "state?"
}
