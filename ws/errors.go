package ws

import "errors"

// Error is the end of a connection that did not come by an agreed Close: the
// peer broke a rule, went beyond a limit, fell silent or was cut off. It is
// sticky: Next returns it from then on. The Close frame that carries Code is
// already queued, unless Code may not be sent (CloseAbnormal) or one went out
// before.
type Error struct {
	Code   CloseCode
	Reason string
}

func (e *Error) Error() string { return "ws: " + e.Reason }

// Misuse by the caller. Nothing was queued.
var (
	// ErrClosed: a Close frame was sent, or the connection has ended.
	ErrClosed = errors.New("ws: connection is closing")
	// ErrWithinMessage: a message that Begin began must be ended first.
	ErrWithinMessage = errors.New("ws: within a streamed message")
	// ErrNoMessage: Write or End without Begin.
	ErrNoMessage = errors.New("ws: no streamed message begun")
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
