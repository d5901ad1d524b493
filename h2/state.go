package h2

// streamState is the state of a stream (RFC 9113 section 5.1; H: HEADERS, ES: END_STREAM, R:
// RST_STREAM). There are no reserved states, since there is no push:
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
// PRIORITY is allowed in every state and has no effect (section 5.3), so it is not an input.
// WINDOW_UPDATE and RST_STREAM may arrive for a closed stream, since the peer may not know yet.
type streamState uint8

// The states. illegal is the entry of the table for an input that is not allowed.
const (
	illegal streamState = iota
	idle
	open
	halfClosedRemote // the peer has ended
	halfClosedLocal  // we have ended
	closed
	states
)

// input is a frame, sent or received, that may change the state of a stream. A frame with END_STREAM is two inputs: the frame's, then
// recvEnd or sendEnd.
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

// transitions has the legal inputs of each state. Another received input is an error: of the connection
// on an idle stream, else of the stream (section 5.1). Another sent input sends nothing.
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

// String returns the name of the state in RFC 9113.
func (s streamState) String() string {
	if s < states {
		return stateNames[s]
	}
	return "state?"
}
