// Package spi is what servers implement and call: the other side of package app,
// which applications never see.
//
// A server makes an [app.Request] for each request that arrives, binds it to its own
// [Exchange] with [Bind], runs the handler with [Run], and tells the request of its end
// with [Cancel]. A response that accepts a WebSocket has [websocket.Upgrade] as its
// content; the server binds a [Socket] to its own [Wire] then.
package spi

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
)

// core is what package app does for servers only.
var core = unexported.App.(interface {
	Bind(r *app.Request, x Exchange, conn *app.ConnInfo)
	Run(h app.Handler, r *app.Request, limit time.Duration) app.Future[*app.Response]
	Cancel(r *app.Request, cause error)
	Drain(r *app.Request)
	ServeStream(s *app.Stream, r *app.Request)
})

// Bind connects a request with the server's side of it. A server embeds app.Request
// by value in its exchange, sets the fields and calls Bind once, on the loop, before
// the handler.
func Bind(r *app.Request, x Exchange, conn *app.ConnInfo) { core.Bind(r, x, conn) }

// Run calls h for r, on r's loop as user code: the future that it returns is settled
// on r's own loop, whichever loop h's future belongs to; a panic, a nil response and a
// status that is none are failures (app.ErrorResponse says what they look like); and a
// response that is not there when limit has passed since r arrived is app.ErrDeadline:
// then the request's context ends, and what comes late is closed and dropped. limit 0
// is no limit; app.Request.SetTimeout overrides it.
func Run(h app.Handler, r *app.Request, limit time.Duration) app.Future[*app.Response] {
	return core.Run(h, r, limit)
}

// Cancel ends the request's context with that cause; nil is app.ErrRequestDone and
// costs nothing when nobody has asked for the context. Servers call it when the peer
// leaves and when the response is complete. After app.ErrHalfClosed an answer is still
// sent, and after app.ErrDraining what an event stream has queued; after any other
// cause nothing can be. Any goroutine; the first cause stays.
func Cancel(r *app.Request, cause error) { core.Cancel(r, cause) }

// Drain tells those who have asked that the server is about to stop, and ends an event
// stream. Servers call it for each request that is under way, on the loop, once
// Drainer.Draining is true.
func Drain(r *app.Request) { core.Drain(r) }

// ServeStream runs the stream for r: it calls Produce, and the exchange's Finish when
// the content is complete or has failed. Servers call it once, on the loop, as user
// code, when they have taken the head. A panic of Produce reaches Finish as an
// *app.PanicError. For a response to HEAD, servers call Response.Close in its place.
func ServeStream(s *app.Stream, r *app.Request) { core.ServeStream(s, r) }
