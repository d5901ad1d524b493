package websocket

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	SettleHere(p *app.Promise[app.Done], err error)
	Watch(p *app.Promise[app.Done], woken func()) bool
})

// internalAPI implements internalapi.WebSocket: the functions of package websocket that
// package spi calls for servers.
type internalAPI struct{}

func init() { internalapi.WebSocket = internalAPI{} }

// Bind implements spi.Socket.Bind.
func (internalAPI) Bind(s *Socket, w wire, u *Upgrade, protocol string) {
	s.wire, s.endpoint, s.state = w, u.Endpoint, u.State
	// protocol is part of the text of the request, which it would keep in memory.
	if s.protocol = int16(slices.Index(u.Endpoint.Protocols, protocol)); s.protocol < 0 && protocol != "" {
		s.more().protocol = strings.Clone(protocol)
	}
}

// Endpoint implements spi.Socket.Endpoint.
func (internalAPI) Endpoint(s *Socket) *Endpoint { return s.endpoint }

// Opened implements spi.Socket.Opened.
func (internalAPI) Opened(s *Socket, r *app.Request) error { return s.opened(r) }

// Receive implements spi.Socket.Receive.
func (internalAPI) Receive(s *Socket, kind Kind, p []byte, first, final bool) (bool, error) {
	return s.receive(kind, p, first, final)
}

// Ponged implements spi.Socket.Ponged.
func (internalAPI) Ponged(s *Socket, payload []byte) error { return s.ponged(payload) }

// QueueDrained implements spi.Socket.QueueDrained.
func (internalAPI) QueueDrained(s *Socket) { s.settleDrain(nil) }

// Ended implements spi.Socket.Ended.
func (internalAPI) Ended(s *Socket, c Closed) error { return s.end(c) }

// QueueLimits implements spi.QueueLimits.
func (internalAPI) QueueLimits(e *Endpoint) (bytes, messages int) { return e.queueLimits() }

// PingAfter implements spi.PingAfter.
func (internalAPI) PingAfter(e *Endpoint) time.Duration {
	return e.pingAfter()
}

// EndpointSlot implements spi.EndpointSlot.
func (internalAPI) EndpointSlot(e *Endpoint) *atomic.Pointer[any] { return &e.made }

// PreparedSlot implements spi.PreparedSlot.
func (internalAPI) PreparedSlot(p *Prepared) *atomic.Pointer[any] { return &p.made }
