package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

var (
	// ErrPoolFull reports that the queue of a pool, or the number of calls of Go, is at its
	// limit. As a response it is 503 with Retry-After.
	ErrPoolFull = errors.New("app: no room for more work")
	// ErrDeadline reports that a result was not ready in time. errors.Is takes it for
	// context.DeadlineExceeded; as a response it is 503.
	ErrDeadline error = deadlineError{}
	// ErrPeerGone reports that the connection or the stream of a request has ended.
	ErrPeerGone = errors.New("app: the peer has left")
	// ErrHalfClosed is the cause of a context that ended because the peer closed its
	// sending side. The peer may still read a response.
	ErrHalfClosed = errors.New("app: the peer has closed its sending side")
	// ErrRequestDone is the cause of a context that ended because the response was
	// complete.
	ErrRequestDone = errors.New("app: the request is done")
	// ErrBusy reports that another operation on the same body or message is pending.
	ErrBusy = errors.New("app: another operation on this body is pending")
	// ErrNoResponse reports that a handler answered with nil.
	ErrNoResponse = errors.New("app: the handler answered with a nil response")
	// ErrOnLoop reports that a call that waits for a loop was made on that loop, where it
	// would wait for itself: Await, a Read of BodyReader, or a Write of ResponseWriter.
	// Handlers on the loop combine futures; Blocking handlers, Go and Offload may wait.
	ErrOnLoop = errors.New("app: a call that waits was made on the loop that it waits for")
	// ErrQueueFull reports that the queue of messages or events for a peer is at its
	// limit. The message was not queued; the peer keeps its connection.
	ErrQueueFull = errors.New("app: the queue towards the peer is full")
	errExited    = errors.New("app: the goroutine of offloaded work was ended")
)

type deadlineError struct{}

func (deadlineError) Error() string        { return "app: not ready before the deadline" }
func (deadlineError) Timeout() bool        { return true }
func (deadlineError) Is(target error) bool { return target == context.DeadlineExceeded }

// timeoutError is the failure of Timeout after that time.
type timeoutError struct{ limit time.Duration }

func (e timeoutError) Error() string { return fmt.Sprintf("app: not ready within %v", e.limit) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Is(target error) bool {
	return target == ErrDeadline || target == context.DeadlineExceeded
}

// StatusError is a failure with a response of its own, see ErrorResponse.
type StatusError struct {
	// Status is the status code of the response, 200 to 599. Others become a 500.
	Status int
	// Message is sent to the peer; the reason phrase of the status if it is empty.
	Message string
	// Fields are field lines of the response. They replace those of the same name that
	// the response has otherwise, such as Content-Type.
	Fields Fields
	// Err is the reason, for logs. It is not sent to the peer.
	Err error
}

// Statusf returns a StatusError whose message is formatted as by fmt.Sprintf. Any
// goroutine.
func Statusf(status int, format string, args ...any) *StatusError {
	return &StatusError{Status: status, Message: fmt.Sprintf(format, args...)}
}

// Error returns the status, the message and the reason, for logs.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%d %s", e.Status, e.message())
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *StatusError) Unwrap() error { return e.Err }

// Response returns the response for the failure: Message and a newline, as plain text
// unless Fields has another Content-Type. Any goroutine.
func (e *StatusError) Response() *Response {
	resp := Error(e.Status, e.message())
	for _, f := range e.Fields {
		resp.Fields.Del(f.Name)
	}
	resp.Fields = append(resp.Fields, e.Fields...)
	return resp
}

func (e *StatusError) message() string {
	if e.Message != "" {
		return e.Message
	}
	return reason(e.Status)
}

// PanicError is the failure that stands for a panic of a handler, a continuation, a
// stream or offloaded work. As a response it is 500.
type PanicError struct {
	// Value is the value of the panic.
	Value any
	// Stack is the stack of the goroutine, as debug.Stack returns it.
	Stack []byte
}

// Error returns the value of the panic as text, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("app: panic: %v", e.Value) }

// Response returns a 500 without the reason. Any goroutine.
func (e *PanicError) Response() *Response { return Error(500, "") }

// Unwrap returns the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func panicked(value any) error {
	return &PanicError{Value: value, Stack: debug.Stack()}
}
