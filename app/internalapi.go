package app

import (
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// internalAPI implements internalapi.App: the functions of package app that package spi and
// packages router, files, events, websocket and middleware call. Applications cannot see
// it.
type internalAPI struct{}

func init() { internalapi.App = internalAPI{} }

// Bind implements spi.Bind.
func (internalAPI) Bind(r *Request, x exchange, conn *ConnInfo) { r.bind(x, conn) }

// Shrink implements spi.Shrink.
func (internalAPI) Shrink(r *Request, conn *ConnInfo) { r.shrink(conn) }

// DropWait implements spi.DropWait.
func (internalAPI) DropWait(r *Request) { r.head = nil }

// Run implements spi.Run.
func (internalAPI) Run(h Handler, r *Request, limit time.Duration) Answer {
	return run(h, r, limit)
}

// RunFor implements spi.RunFor.
func (internalAPI) RunFor(h Handler, r *Request, limit time.Duration, a answerer) (f Answer, pending bool) {
	return runFor(h, r, limit, a)
}

// Cancel implements spi.Cancel.
func (internalAPI) Cancel(r *Request, cause error) { r.cancel(cause) }

// Drain implements spi.Drain.
func (internalAPI) Drain(r *Request) { r.drain() }

// ServeStream implements spi.ServeStream.
func (internalAPI) ServeStream(s *Stream, r *Request) { s.serve(r) }

// SetRoute sets the route of r and the values of its wildcards, below the mount that has led
// to its router. On the loop.
func (internalAPI) SetRoute(r *Request, route *internalapi.Route, values []string) {
	if mount := r.route.Base(); mount != nil {
		route = route.Below(mount)
		values = append(slices.Clip(r.captures[:len(mount.Names)]), values...)
	}
	r.route, r.captures = route, values
}

// MountPrefix returns the part of the path of r that mounts have removed from RawPath,
// encoded. On the loop.
func (internalAPI) MountPrefix(r *Request) string {
	if mount := r.route.Base(); mount != nil {
		return mount.Prefix(r.captures)
	}
	return ""
}

// SetPattern sets the route of r unless a router has chosen one. On the loop.
func (internalAPI) SetPattern(r *Request, route *internalapi.Route) {
	if r.route == nil {
		r.route = route
	}
}

// RouteOf returns the route of r; nil before one was chosen. On the loop.
func (internalAPI) RouteOf(r *Request) *internalapi.Route { return r.route }

// Rest returns what the last wildcard of r's route has matched. ok is false unless
// that matches any number of segments. Any goroutine.
func (internalAPI) Rest(r *Request) (path string, ok bool) {
	if r.route == nil || !r.route.Rest || len(r.captures) == 0 {
		return "", false
	}
	return r.captures[len(r.captures)-1], true
}

// Attach adds a listener for the end of r. It reports false, and does not call the
// listener, if r has ended. Any goroutine.
func (internalAPI) Attach(r *Request, e *ending.Entry, listener ending.Listener) bool {
	return r.attach(e, listener)
}

// Detach removes a listener. It reports false if the listener has been or is being
// called. Any goroutine.
func (internalAPI) Detach(r *Request, e *ending.Entry) bool { return r.detach(e) }

// AwaitDrain adds a listener for the drain and the end of r. It calls the listener at
// once if the server is draining. On the loop.
func (internalAPI) AwaitDrain(r *Request, e *ending.Entry, listener ending.DrainListener) {
	r.awaitDrain(e, listener)
}

// InitBody prepares a zero body of a message that is no Request.
func (internalAPI) InitBody(b *Body, from bodySource) { b.init(from) }

// anyPromise is a *Promise of any type.
type anyPromise interface {
	setLoop(loop Loop)
	settleAny(v any, err error)
}

// InitPromise prepares a zero promise, which is a *Promise, for use on that loop.
func (internalAPI) InitPromise(p any, loop Loop) { p.(anyPromise).setLoop(loop) }

// SettleHere settles p in a task of its loop. Continuations run before it returns.
func (internalAPI) SettleHere(p *Promise[Done], err error) { p.settleHere(Done{}, err) }

// SettleWith is SettleHere for a *Promise of any type. v has the type of its value, or is
// nil.
func (internalAPI) SettleWith(p any, v any, err error) { p.(anyPromise).settleAny(v, err) }

func (p *Promise[T]) setLoop(loop Loop) { p.loop = loop }

func (p *Promise[T]) settleAny(v any, err error) {
	value, _ := v.(T)
	p.settleHere(value, err)
}

// SetClient sets what Client of r returns. On the loop.
func (internalAPI) SetClient(r *Request, c *forwarded.Client) { r.client.Store(c) }

// sensitiveKey is the key of a request's value that reports whether a field was marked.
type sensitiveKey struct{}

// MarkSensitive implements spi.MarkSensitive.
func (internalAPI) MarkSensitive(r *Request, marked func(name string) bool) {
	r.setValue(sensitiveKey{}, marked)
}

// Sensitive implements spi.Sensitive.
func (internalAPI) Sensitive(r *Request) func(name string) bool {
	marked, _ := r.Value(sensitiveKey{}).(func(name string) bool)
	return marked
}

// requestIDKey is the key of a request's identifier.
type requestIDKey struct{}

// SetRequestID implements spi.SetRequestID.
func (internalAPI) SetRequestID(r *Request, id string) { r.SetValue(requestIDKey{}, id) }

// RequestID implements spi.RequestID.
func (internalAPI) RequestID(r *Request) string {
	id, _ := r.Value(requestIDKey{}).(string)
	return id
}

// FilePool returns the pool for work on files, in which other work does not wait. Any
// goroutine.
func (internalAPI) FilePool(r *Request) Pool {
	if c, ok := r.exchange.(caller); ok {
		return c.FilePool()
	}
	return r.Pool()
}

// TakeBody reads content of r into p. After (0, nil), ready is called when there is more.
// On the loop.
func (internalAPI) TakeBody(r *Request, p []byte, ready func()) (int, error) {
	if !r.enter() {
		return 0, ErrPeerGone
	}
	defer r.leave()
	return r.Body.take(p, ready)
}

// Watch calls notify on the goroutine that settles p, which must not run user code.
// It reports false if p is settled. Any goroutine.
func (internalAPI) Watch(p *Promise[Done], notify func()) bool {
	w := &watch{notify: notify}
	w.node.wake, w.node.far = w, true
	return p.subscribe(&w.node)
}

type watch struct {
	node   node
	notify func()
}

func (w *watch) woken(*queue) { w.notify() }

// ConnValue returns the place for a value that package nethttp keeps for the connection of r,
// or nil if the server has none, see spi.ConnValuer. On the loop.
func (internalAPI) ConnValue(r *Request) *any {
	if v, ok := r.exchange.(interface{ ConnValue() *any }); ok && r.enter() {
		defer r.leave()
		return v.ConnValue()
	}
	return nil
}

// DrainConn asks the peer of r to send no more requests on its HTTP/2 connection, see spi.ConnDrainer. On the loop.
func (internalAPI) DrainConn(r *Request) {
	if v, ok := r.exchange.(interface{ DrainConn() }); ok && r.enter() {
		defer r.leave()
		v.DrainConn()
	}
}

// Exchange returns the spi.Exchange of r. On the loop.
func (internalAPI) Exchange(r *Request) any { return r.exchange }

// Spawn runs f in a goroutine, as Blocking does. Any goroutine.
func (internalAPI) Spawn(r *Request, f func()) { r.spawn(f) }

// AllowAnyStatus lets a response have a status of up to 999.
func (internalAPI) AllowAnyStatus(resp *Response) { resp.anyStatus = true }

// Captures returns the names of the wildcards of r's route and what they have matched. The
// wildcard of a final slash has an empty name. Any goroutine.
func (internalAPI) Captures(r *Request) (names, values []string) {
	if r.route == nil {
		return nil, nil
	}
	return r.route.Names, r.captures
}
