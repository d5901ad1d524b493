package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

var (
	// ErrPoolFull is Offload's failure when the pool's queue is at its limit.
	// As a response it is 503 with Retry-After.
	ErrPoolFull = errors.New("app: the pool's queue is full")
	// ErrDeadline is the failure of what was not ready in time. It is a
	// context.DeadlineExceeded to errors.Is; as a response it is 503.
	ErrDeadline error = deadlineError{}
	// ErrPeerGone is the cause of a context that ended because the connection
	// or the stream has ended.
	ErrPeerGone = errors.New("app: the peer has gone")
	// ErrHalfClosed is the cause of a context that ended because the peer has
	// closed its sending side. It may still read an answer.
	ErrHalfClosed = errors.New("app: the peer has closed its sending side")
	// ErrRequestDone is the cause of a context that ended because the response
	// was complete.
	ErrRequestDone = errors.New("app: the request is done")
	// ErrBusy is the failure of a Read or Write while another is pending on the
	// same body.
	ErrBusy = errors.New("app: another operation on this body is pending")
	// ErrNoResponse is the failure of a handler that answered with nil.
	ErrNoResponse = errors.New("app: the handler answered with a nil response")
	// ErrQueueFull is the failure of a message or an event for a peer for which as
	// much waits already as the limits allow. It was not queued; everything else
	// goes on.
	ErrQueueFull = errors.New("app: the queue towards the peer is full")
	errExited    = errors.New("app: the goroutine of offloaded work was ended")
)

type deadlineError struct{}

func (deadlineError) Error() string        { return "app: not ready before the deadline" }
func (deadlineError) Timeout() bool        { return true }
func (deadlineError) Is(target error) bool { return target == context.DeadlineExceeded }

// StatusError is a failure that has a response of its own: see ErrorResponse.
type StatusError struct {
	// Status is the response's status code, 200 to 599; anything else is a mistake,
	// and the response is 500.
	Status int
	// Message is told to the peer; the status's reason phrase when empty.
	Message string
	// Fields go into the response.
	Fields Fields
	// Err is the reason, for logs. It is not told to the peer.
	Err error
}

// Statusf makes a StatusError whose message is formatted as by fmt.Sprintf.
func Statusf(status int, format string, args ...any) *StatusError {
	return &StatusError{Status: status, Message: fmt.Sprintf(format, args...)}
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%d %s", e.Status, e.message())
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *StatusError) Unwrap() error { return e.Err }

// Response is what the failure looks like to the peer.
func (e *StatusError) Response() *Response {
	resp := Error(e.Status, e.message())
	resp.Fields = append(resp.Fields, e.Fields...)
	return resp
}

func (e *StatusError) message() string {
	if e.Message != "" {
		return e.Message
	}
	return reason(e.Status)
}

// PanicError is the failure that a panic of a handler, a continuation, a stream
// or offloaded work is turned into. As a response it is 500.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("app: panic: %v", e.Value) }

// Response is a 500 that does not tell why.
func (e *PanicError) Response() *Response { return Error(500, "") }

// Unwrap gives the panic's value where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func panicked(value any) error {
	return &PanicError{Value: value, Stack: debug.Stack()}
}
