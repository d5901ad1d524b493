// Package spi is the server's side of packages app and websocket: what servers
// implement and call. Applications do not need it.
//
// A server fills in an [app.Request] for each request, binds it to its [Exchange] with
// [Bind], runs the handler with [Run], and ends the request with [Cancel]. The content
// of a response that accepts a WebSocket is a [websocket.Upgrade]; the server then binds
// a [Socket] to its [Wire].
package spi

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Bind(r *app.Request, x Exchange, conn *app.ConnInfo)
	Run(h app.Handler, r *app.Request, limit time.Duration) app.Answer
	RunFor(h app.Handler, r *app.Request, limit time.Duration, a Answerer) (f app.Answer, pending bool)
	Cancel(r *app.Request, cause error)
	Drain(r *app.Request)
	DropWait(r *app.Request)
	MarkSensitive(r *app.Request, marked func(name string) bool)
	Sensitive(r *app.Request) func(name string) bool
	Shrink(r *app.Request, conn *app.ConnInfo)
	ServeStream(s *app.Stream, r *app.Request)
	SetRequestID(r *app.Request, id string)
	RequestID(r *app.Request) string
	RouteOf(r *app.Request) *internalapi.Route
	Exchange(r *app.Request) any
})

// Bind connects a request with its Exchange. A server embeds app.Request by value in its
// exchange, sets the fields, and calls Bind once before the handler. On the loop.
func Bind(r *app.Request, x Exchange, conn *app.ConnInfo) { core.Bind(r, x, conn) }

// Shrink gives back what a request holds of its head and of the wait for its response; method,
// target, path, query and authority stay. conn describes the connection from now on. Servers
// call it for an open tunnel, which may last for days. On the loop, not while user code of the
// request runs.
func Shrink(r *app.Request, conn *app.ConnInfo) { core.Shrink(r, conn) }

// DropWait gives back what a request holds of the wait for its response. Servers call it at the
// end of a request whose memory other requests may keep. On the loop, not while user code of
// the request runs on a goroutine from which the loop was taken.
func DropWait(r *app.Request) { core.DropWait(r) }

// Run calls h for r and returns a future of r's loop with the response. A panic, a nil
// response and an invalid status are failures; app.ErrorResponse makes responses of
// them. If the response is not ready when limit has passed since the arrival of r, the
// future fails with app.ErrDeadline, the context of r ends, and a later response is
// closed. 0 is no limit; app.Request.SetTimeout overrides it. On r's loop, as user code.
func Run(h app.Handler, r *app.Request, limit time.Duration) app.Answer {
	return core.Run(h, r, limit)
}

// Answerer receives the response of a handler, see RunFor. It is an alias of an unnamed
// interface, so that package app can have the same one.
type Answerer = interface {
	// Answered is called once, on the request's loop, as user code.
	Answered(resp *app.Response, err error)
}

// RunFor is Run without a future for a response that is pending: it reports that, and
// a.Answered is called with the response later. A pending response costs one allocation.
func RunFor(h app.Handler, r *app.Request, limit time.Duration, a Answerer) (f app.Answer, pending bool) {
	return core.RunFor(h, r, limit, a)
}

// Cancel ends the context of r with that cause; nil is app.ErrRequestDone. Servers call it
// when the peer leaves, and when the response is complete. After app.ErrHalfClosed the
// response is still sent, after app.ErrDraining what an event stream has queued, and
// after any other cause nothing. The first cause stays. Any goroutine.
func Cancel(r *app.Request, cause error) { core.Cancel(r, cause) }

// Drain completes app.Request.Draining and ends an event stream. Servers call it for
// each open request when Drainer.Draining has become true. On the loop.
func Drain(r *app.Request) { core.Drain(r) }

// MarkSensitive sets the function that reports whether a field of r was marked as never
// indexed (RFC 7541 section 6.2.3). Servers call it before the handler runs, if any was.
func MarkSensitive(r *app.Request, marked func(name string) bool) { core.MarkSensitive(r, marked) }

// Sensitive returns the function that MarkSensitive has set, or nil. On the loop.
func Sensitive(r *app.Request) func(name string) bool { return core.Sensitive(r) }

// SetRequestID gives a request the identifier that RequestID returns. On the loop.
func SetRequestID(r *app.Request, id string) { core.SetRequestID(r, id) }

// RequestID returns the identifier of a request, by which its lines in logs are found, or
// "" if it has none. Package middleware sets it. Any goroutine.
func RequestID(r *app.Request) string { return core.RequestID(r) }

// ServeStream calls Produce of s, and Finish of r's Exchange when the content is complete
// or has failed. A panic of Produce is an *app.PanicError. Servers call it once, when they
// have taken the head; for HEAD they call Response.Close instead. On the loop, as user
// code.
func ServeStream(s *app.Stream, r *app.Request) { core.ServeStream(s, r) }

// Causes of the end of a request besides those of package app. Each is an app.ErrPeerGone for
// errors.Is, since the connection is closed.
var (
	// ErrStalled: code of a request of the connection has blocked its loop.
	ErrStalled = fmt.Errorf("code has blocked the loop of its connection: %w", app.ErrPeerGone)
	// ErrStopped: the server has stopped before the request had ended.
	ErrStopped = fmt.Errorf("the server has stopped: %w", app.ErrPeerGone)
)

// ErrNotHijackable is the error of Hijacker.Hijack for a connection that must go on with HTTP.
var ErrNotHijackable = errors.New("the connection cannot be taken from HTTP")

// ErrAborted is the failure of a handler or of content that must not be answered: the server
// resets the stream or closes the connection, and logs nothing.
var ErrAborted = internalapi.ErrAborted
