package app

import (
	"time"

	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
)

// internals is what the packages around this one use of it and applications never
// see: package spi for servers, and router, files, events, websocket and middleware.
type internals struct{}

func init() { unexported.App = internals{} }

// Bind is spi.Bind, as each of the following is the function of that name there.
func (internals) Bind(r *Request, x exchange, conn *ConnInfo) { r.bind(x, conn) }

func (internals) Run(h Handler, r *Request, limit time.Duration) Future[*Response] {
	return run(h, r, limit)
}
func (internals) Cancel(r *Request, cause error)    { r.cancel(cause) }
func (internals) Drain(r *Request)                  { r.drain() }
func (internals) ServeStream(s *Stream, r *Request) { s.serve(r) }

// SetRoute gives r the route that a router has found, with what its wildcards have
// matched.
func (internals) SetRoute(r *Request, route *unexported.Route, captures []string) {
	r.route, r.captures = route, captures
}

// Rest is what the last wildcard of r's route has matched, if it takes any number of
// segments.
func (internals) Rest(r *Request) (path string, ok bool) {
	if r.route == nil || !r.route.Rest || len(r.captures) == 0 {
		return "", false
	}
	return r.captures[len(r.captures)-1], true
}

// Attach has who told once when r is over, unless Detach comes first. It is false
// when r is over already, and who is not told.
func (internals) Attach(r *Request, e *ending.Entry, who ending.Ender) bool {
	return r.attach(e, who)
}

// Detach is false when who has been told, or is just being told.
func (internals) Detach(r *Request, e *ending.Entry) bool { return r.detach(e) }

// AwaitDrain has who told when the server drains, at once if it does already, or
// when r is over before. On the loop.
func (internals) AwaitDrain(r *Request, e *ending.Entry, who ending.Drainee) {
	r.awaitDrain(e, who)
}

// InitPromise makes a zero promise one of that loop.
func (internals) InitPromise(p *Promise[Done], loop Loop) { p.loop = loop }

// SettleHere settles a promise from a task of its own loop: what waits for it runs
// before SettleHere returns.
func (internals) SettleHere(p *Promise[Done], err error) { p.settleHere(Done{}, err) }

// Watch calls woken when p is settled, at once and in whatever goroutine settles it;
// it is false when p is settled already. woken runs nothing of the application's.
func (internals) Watch(p *Promise[Done], woken func()) bool {
	w := &watch{notify: woken}
	w.node.wake, w.node.far = w, true
	return p.subscribe(&w.node)
}

type watch struct {
	node   node
	notify func()
}

func (w *watch) woken(*queue) { w.notify() }
