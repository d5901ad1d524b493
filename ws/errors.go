package ws

import "errors"

// Error is the reason why a connection failed: the peer broke a rule, exceeded a
// limit or a time, or was lost. Next returns it again from then on. A Close frame
// with Code is queued already, unless Code may not be sent (CloseAbnormal) or a Close
// frame was sent before.
type Error struct {
	Code   CloseCode
	Reason string
}

func (e *Error) Error() string { return "ws: " + e.Reason }

// Errors of commands: misuse by the caller. Nothing was queued.
var (
	// ErrClosed: a Close frame was sent, or the connection has ended.
	ErrClosed = errors.New("ws: connection is closing")
	// ErrWithinMessage: the message that Begin started must be ended first.
	ErrWithinMessage = errors.New("ws: a message is being sent in parts")
	// ErrNoMessage: Write or End without Begin.
	ErrNoMessage = errors.New("ws: no message is being sent in parts")
	// ErrOpcode: a message is Text or Binary.
	ErrOpcode = errors.New("ws: opcode is neither Text nor Binary")
	// ErrText: a text message must be UTF-8.
	ErrText = errors.New("ws: text is not valid UTF-8")
	// ErrPayload: a ping carries at most 125 bytes.
	ErrPayload = errors.New("ws: ping payload over 125 bytes")
	// ErrCode: the code may not be sent in a Close frame.
	ErrCode = errors.New("ws: close code that may not be sent")
	// ErrReason: a close reason is UTF-8 of at most 123 bytes.
	ErrReason = errors.New("ws: close reason over 123 bytes or not UTF-8")
)
