package websocket

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
)

// core has the functions that package app does not export.
var core = unexported.App.(interface {
	SettleHere(p *app.Promise[app.Done], err error)
	Watch(p *app.Promise[app.Done], woken func()) bool
})

type promise = app.Promise[app.Done]

func newPromise(loop app.Loop) *promise {
	p, _ := app.PromisedOn[app.Done](loop)
	return p
}

// internals has the functions that package spi offers to servers.
type internals struct{}

func init() { unexported.WebSocket = internals{} }

// Bind implements spi.Socket.Bind.
func (internals) Bind(s *Socket, w wire, u *Upgrade, protocol string) {
	s.wire, s.endpoint, s.state = w, u.Endpoint, u.State
	// protocol is part of the text of the request, which it would keep in memory.
	if s.protocol = int16(slices.Index(u.Endpoint.Protocols, protocol)); s.protocol < 0 && protocol != "" {
		s.more().protocol = strings.Clone(protocol)
	}
}

// Endpoint implements spi.Socket.Endpoint.
func (internals) Endpoint(s *Socket) *Endpoint { return s.endpoint }

// Opened implements spi.Socket.Opened.
func (internals) Opened(s *Socket, r *app.Request) error { return s.opened(r) }

// Receive implements spi.Socket.Receive.
func (internals) Receive(s *Socket, kind Kind, p []byte, first, final bool) (bool, error) {
	return s.receive(kind, p, first, final)
}

// Ponged implements spi.Socket.Ponged.
func (internals) Ponged(s *Socket, payload []byte) error { return s.ponged(payload) }

// QueueDrained implements spi.Socket.QueueDrained.
func (internals) QueueDrained(s *Socket) { s.settleDrain(nil) }

// Ended implements spi.Socket.Ended.
func (internals) Ended(s *Socket, c Closed) error { return s.end(c) }

const (
	defaultQueueBytes = 1 << 20
	defaultKeepAlive  = 60 * time.Second
)

// QueueLimits implements spi.QueueLimits.
func (internals) QueueLimits(e *Endpoint) (bytes, messages int) { return e.queueLimits() }

func (e *Endpoint) queueLimits() (bytes, messages int) {
	if e.QueueBytes > 0 {
		return e.QueueBytes, e.QueueMessages
	}
	return defaultQueueBytes, e.QueueMessages
}

// PingAfter implements spi.PingAfter.
func (internals) PingAfter(e *Endpoint) time.Duration {
	if e.KeepAlive == 0 {
		return defaultKeepAlive
	}
	return max(e.KeepAlive, 0)
}

// EndpointSlot implements spi.EndpointSlot.
func (internals) EndpointSlot(e *Endpoint) *atomic.Pointer[any] { return &e.made }

// PreparedSlot implements spi.PreparedSlot.
func (internals) PreparedSlot(p *Prepared) *atomic.Pointer[any] { return &p.made }
