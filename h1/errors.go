package h1

import (
	"errors"
	"strconv"
)

// Error is a mistake of the peer for which the machine refuses a request and ends the
// connection. The response is queued after those of earlier requests when the error is
// returned.
type Error struct {
	Status int    // of the response; 0: no response, since the peer does not speak HTTP
	Reason string // one sentence, also the response's content
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return "h1: " + e.Reason
	}
	return "h1: " + strconv.Itoa(e.Status) + ": " + e.Reason
}

// Incomplete reports whether the peer's FIN has ended a request before it was complete.
func (e *Error) Incomplete() bool { return e == errIncomplete }

// ResponseError is a mistake of a server, for which a Client ends the connection.
type ResponseError struct {
	Fault  Fault
	Reason string // one sentence
}

func (e *ResponseError) Error() string { return "h1: " + e.Reason }

// Fault is the kind of a ResponseError.
type Fault uint8

const (
	// Malformed: the bytes are no response, or two readers could understand it in two
	// ways.
	Malformed Fault = iota
	// HeadTooLarge: the head, or an interim one, exceeds its limit of bytes or fields.
	HeadTooLarge
	// TrailersTooLarge: the trailers do.
	TrailersTooLarge
	// CutOff: the connection ended before the response. Client.Received reports whether
	// any of it came.
	CutOff
	// Unsolicited: bytes came that belong to no request. A response before them is
	// complete, and a request of which nothing was sent was not seen by the server.
	Unsolicited
)

// Errors of the application. A command that returns one has queued nothing and left
// the request as it was, so that another response can be given.
var (
	// ErrField: a field cannot be written; the error itself is a *FieldError.
	ErrField = errors.New("h1: invalid field")
	// ErrStatus: a status that the call cannot send.
	ErrStatus = errors.New("h1: status not possible here")
	// ErrGone: the request has been answered, or is not answered any more
	// because the connection ends before it. There is nothing left to do.
	ErrGone = errors.New("h1: no such request waits for an answer")
	// ErrLength: a Source gave more or fewer bytes than the stated length.
	ErrLength = errors.New("h1: content does not have the stated length")
	// ErrAborted: Abort was called.
	ErrAborted = errors.New("h1: aborted")

	// ErrBusy: the request before is in progress.
	ErrBusy = errors.New("h1: another request is in progress")
	// ErrClosed: the connection takes no more requests.
	ErrClosed = errors.New("h1: the connection takes no more requests")
	// ErrMethod: not a token, or longer than 64 bytes.
	ErrMethod = errors.New("h1: invalid method")
	// ErrTarget: the request target has none of the forms that its method allows, or
	// bytes that would end it for some reader.
	ErrTarget = errors.New("h1: invalid request target")
	// ErrAuthority: no valid authority, or another one than that of the target.
	ErrAuthority = errors.New("h1: invalid authority")
	// ErrContent: the method allows no content.
	ErrContent = errors.New("h1: the method allows no content")

	errIllegal = errors.New("h1: illegal state")
	errRead    = errors.New("h1: a Source gave an impossible count")
)

// FieldError names a field that the application gave and that cannot be
// written. errors.Is(err, ErrField) holds.
type FieldError struct {
	Name   string // as given, unsafe to print without quoting
	Reason string
}

func (e *FieldError) Error() string {
	return ErrField.Error() + " " + strconv.Quote(e.Name) + ": " + e.Reason
}

// Unwrap makes errors.Is(e, ErrField) true.
func (e *FieldError) Unwrap() error { return ErrField }
