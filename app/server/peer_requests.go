//go:build linux

package server

import (
	"net/netip"

	"github.com/gatewheel/gatewheel/app"
)

// enterPeer counts the request for its client, until leavePeer. It reports false if it has answered, since the client is
// beyond PeerLimits.Requests. On the loop, before any code of the application has the request.
func (x *exchange) enterPeer() bool {
	p, client := x.conn.Peer(), netip.Prefix{}
	ok := true
	if p != nil {
		client, ok = p.Prefix(), p.Enter()
	} else if addr := x.clientBehindProxy(); addr.IsValid() {
		client = netip.PrefixFrom(addr, addr.BitLen())
		p, ok = x.loop.server.reactor.EnterPeer(addr)
	}
	if !ok {
		x.refuseForPeer(client)
		return false
	}
	x.peer = p
	if s, http2 := x.session.(*h2Session); http2 {
		s.beyondPeer = 0
	}
	return true
}

// clientBehindProxy returns the address of the client that a trusted proxy names; not valid if there is none.
func (x *exchange) clientBehindProxy() (client netip.Addr) {
	if x.info.Trust == nil || !x.info.Trust.Trusts(x.info.Peer) {
		return client
	}
	if client = x.Client().Addr.Addr(); client == x.info.Peer.Addr() {
		return netip.Addr{}
	}
	return client
}

// leavePeer counts the end of what enterPeer has counted.
func (x *exchange) leavePeer() {
	if x.peer != nil {
		x.peer.Leave()
		x.peer = nil
	}
}

// takePeer makes the WebSocket, in place of its request, count for the client.
func (s *socket) takePeer(x *exchange) {
	if x.peer != nil {
		s.ensureRare().peer, x.peer = x.peer, nil
	}
}

// leavePeer counts the end of what takePeer has taken.
func (s *socket) leavePeer() {
	if s.rare != nil && s.rare.peer != nil {
		s.rare.peer.Leave()
		s.rare.peer = nil
	}
}

// busyPeer is the text for a request beyond PeerLimits.Requests.
const busyPeer = "too many requests of this client are under way, try again in a while"

// refuseForPeer answers a request beyond PeerLimits.Requests. It is a 503 over HTTP/2 too: RST_STREAM with REFUSED_STREAM
// would have clients repeat the request at once, without the time of Retry-After.
func (x *exchange) refuseForPeer(client netip.Prefix) {
	x.loop.refused(PeerRequests, x.conn, beyondPeerError{client})
	x.endsFor(PeerRequests)
	r := app.Error(503, busyPeer)
	r.Fields = append(r.Fields, app.Field{Name: "Retry-After", Value: "1"})
	x.answer(r, nil)
	// One client behind a proxy must not end the connection of all.
	if s, ok := x.session.(*h2Session); ok && x.conn.Peer() != nil {
		s.requestBeyondPeer()
	}
}

// beyondPeerError is the error of a request beyond PeerLimits.Requests, in the log.
type beyondPeerError struct{ client netip.Prefix }

// Error implements error.
func (e beyondPeerError) Error() string {
	return e.client.String() + " has too many requests under way"
}

// maxBeyondPeer is the number of requests beyond PeerLimits.Requests in a row that end an HTTP/2 connection: more than the
// streams that a client may open at once by default, which does not know this limit.
const maxBeyondPeer = 255

// requestBeyondPeer counts a request beyond PeerLimits.Requests in a row, and ends the connection of a peer that goes on.
func (s *h2Session) requestBeyondPeer() {
	if s.beyondPeer++; s.beyondPeer == maxBeyondPeer {
		s.machine.Calm(busyPeer)
	}
}
