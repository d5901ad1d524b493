package h2

// streamState is the state of a stream (RFC 9113 section 5.1; H: HEADERS, ES: END_STREAM, R:
// RST_STREAM), on a server as in the RFC. There are no reserved states, since there is no push:
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
//
// A client's stream begins with its request, and takes DATA only once the final response has begun. Until
// then open and half-closed (local) are states of their own:
//
//	                   +--------+
//	                   |  idle  |
//	                   +--------+
//	                       | send H
//	                       v
//	                  +----------+
//	                  |   open,  |   send ES   +-----------------+
//	                  | awaiting |------------>|   half-closed   |
//	                  +----------+             | (local),awaiting|
//	                       | recv H            +-----------------+
//	         recv ES       v       send ES             |
//	       +-----------+------+------------+           | recv H
//	       |           | open |            |           |
//	       v           +------+            v           |
//	+-------------+        |        +------------+     |
//	| half-closed |        | R      | half-closed|<----+
//	|  (remote)   |        |        |  (local)   |
//	+-------------+        |        +------------+
//	       | send ES / R   v   recv ES / R |
//	       |           +--------+          |
//	       +---------->| closed |<---------+
//	                   +--------+
//
// An interim response changes no state, so it is not an input.
type streamState uint8

// The states. illegal is the entry of the table for an input that is not allowed.
const (
	illegal streamState = iota
	idle
	open
	halfClosedRemote // the peer has ended
	halfClosedLocal  // we have ended
	closed
	awaiting      // open; the final response has not begun
	awaitingLocal // half-closed (local); the final response has not begun
	states
)

// input is a frame, sent or received, that may change the state of a stream. A frame with END_STREAM is two
// inputs: the frame's, then recvEnd or sendEnd.
type input uint8

const (
	recvHeaders input = iota // HEADERS that opens a stream, of a final response, or of trailers
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

// stateTable has the legal inputs of each state. Another received input is an error: of the connection
// on an idle stream, else of the stream (section 5.1). Another sent input sends nothing.
type stateTable [states][inputs]streamState

var serverTransitions = stateTable{
	idle: {
		recvHeaders: open,
	},
	open:             bothOpen,
	halfClosedRemote: remoteEnded,
	halfClosedLocal:  localEnded,
	closed:           bothEnded,
}

var clientTransitions = stateTable{
	idle: {
		sendHeaders: awaiting,
	},
	awaiting: {
		recvHeaders: open,
		recvReset:   closed,
		recvWindow:  awaiting,
		sendHeaders: awaiting,
		sendData:    awaiting,
		sendEnd:     awaitingLocal,
		sendReset:   closed,
		sendWindow:  awaiting,
	},
	awaitingLocal: {
		recvHeaders: halfClosedLocal,
		recvReset:   closed,
		recvWindow:  awaitingLocal,
		sendReset:   closed,
		sendWindow:  awaitingLocal,
	},
	open:             bothOpen,
	halfClosedRemote: remoteEnded,
	halfClosedLocal:  localEnded,
	closed:           bothEnded,
}

// The states that both roles have.
var (
	bothOpen = [inputs]streamState{
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
	}
	remoteEnded = [inputs]streamState{
		recvReset:   closed,
		recvWindow:  halfClosedRemote,
		sendHeaders: halfClosedRemote,
		sendData:    halfClosedRemote,
		sendEnd:     closed,
		sendReset:   closed,
	}
	localEnded = [inputs]streamState{
		recvHeaders: halfClosedLocal,
		recvData:    halfClosedLocal,
		recvEnd:     closed,
		recvReset:   closed,
		recvWindow:  halfClosedLocal,
		sendReset:   closed,
		sendWindow:  halfClosedLocal,
	}
	bothEnded = [inputs]streamState{
		recvReset:  closed,
		recvWindow: closed,
	}
)

// transitions is both tables in one: where both roles have a state and an input, they agree.
var transitions = func() (t stateTable) {
	for s := range t {
		for i := range t[s] {
			t[s][i] = max(serverTransitions[s][i], clientTransitions[s][i])
		}
	}
	return t
}()

func (s streamState) after(i input) streamState { return transitions[s][i] }

func (s streamState) allows(i input) bool { return transitions[s][i] != illegal }

// awaitsResponse reports whether st is a client's stream whose final response has not begun.
func (st *stream) awaitsResponse() bool { return st.state >= awaiting }

// inputEnded reports whether the peer's message is complete.
func (st *stream) inputEnded() bool { return !st.awaitsResponse() && !st.state.allows(recvEnd) }

var stateNames = [states]string{"illegal", "idle", "open", "half-closed (remote)", "half-closed (local)", "closed",
	"open, awaiting", "half-closed (local), awaiting"}

// String returns the name of the state in RFC 9113.
func (s streamState) String() string {
	if s < states {
		return stateNames[s]
	}
	return "state?"
}
