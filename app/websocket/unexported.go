package websocket

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
)

// core is what package app does for its own packages only.
var core = unexported.App.(interface {
	SettleHere(p *app.Promise[app.Done], err error)
	Watch(p *app.Promise[app.Done], woken func()) bool
})

type promise = app.Promise[app.Done]

func newPromise(loop app.Loop) *promise {
	p, _ := app.PromisedOn[app.Done](loop)
	return p
}

// internals is what package spi does for servers.
type internals struct{}

func init() { unexported.WebSocket = internals{} }

// Bind is spi.Socket.Bind, as each of the following is the method or function of that
// name there.
func (internals) Bind(s *Socket, w wire, u *Upgrade, protocol string) {
	s.wire, s.endpoint, s.state = w, u.Endpoint, u.State
	// The text given is a part of the request, which would be kept along with it.
	if s.protocol = int16(slices.Index(u.Endpoint.Protocols, protocol)); s.protocol < 0 && protocol != "" {
		s.more().protocol = strings.Clone(protocol)
	}
}
func (internals) Endpoint(s *Socket) *Endpoint           { return s.endpoint }
func (internals) Opened(s *Socket, r *app.Request) error { return s.opened(r) }
func (internals) Ponged(s *Socket, payload []byte) error { return s.ponged(payload) }
func (internals) QueueDrained(s *Socket)                 { s.settleDrain(nil) }
func (internals) Ended(s *Socket, c Closed) error        { return s.end(c) }
func (internals) Receive(s *Socket, kind Kind, p []byte, first, final bool) (bool, error) {
	return s.receive(kind, p, first, final)
}

const (
	defaultQueueBytes = 1 << 20
	defaultKeepAlive  = 60 * time.Second
)

func (internals) QueueLimits(e *Endpoint) (bytes, messages int) { return e.queueLimits() }

func (e *Endpoint) queueLimits() (bytes, messages int) {
	if e.QueueBytes > 0 {
		return e.QueueBytes, e.QueueMessages
	}
	return defaultQueueBytes, e.QueueMessages
}

func (internals) PingAfter(e *Endpoint) time.Duration {
	if e.KeepAlive == 0 {
		return defaultKeepAlive
	}
	return max(e.KeepAlive, 0)
}

func (internals) EndpointSlot(e *Endpoint) *atomic.Pointer[any] { return &e.made }
func (internals) PreparedSlot(p *Prepared) *atomic.Pointer[any] { return &p.made }
